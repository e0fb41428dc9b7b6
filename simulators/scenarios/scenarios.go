// Package scenarios runs stories about simulated machines: a YAML file says which machines
// there are, what is wrong with them or with their vendors, what happens one after the
// other, and what a service must make of each step.
//
// Every scenario gets a world, vendors, machines and a real service of its own, and all of
// them go by one clock that the scenario moves. What happens depends on the file alone:
// the same seed makes the same hardware.
//
// Start at [Parse] and [Run]; [Library] has scenarios that come along. docs/scenarios.md
// says what a file can say.
package scenarios

import "github.com/quotary/quotary/simulators/machines"

// Scenario is what a file says.
type Scenario struct {
	Name  string `yaml:"name"`
	Title string `yaml:"title"` // one line
	About string `yaml:"about"` // for people
	// Seed is what the world is made of, "scenarios" if it is empty.
	Seed     string          `yaml:"seed"`
	Service  Service         `yaml:"service"`
	Machines []machines.Spec `yaml:"machines"`
	// Policy is in force from the start; if nothing is said, the workloads of all machines.
	Policy *Policy `yaml:"policy"`
	Steps  []Step  `yaml:"steps"`

	places places
}

// Service says how the service is set up.
type Service struct {
	// Fetch has it fetch endorsements from the vendors over HTTP; otherwise it gets those
	// of the start as files.
	Fetch bool `yaml:"fetch"`
	// Faults are those of the vendors that are in force before it starts.
	Faults []string `yaml:"faults"`
}

// Policy are documents to be put in force.
type Policy struct {
	// Machines are those whose own workloads are granted.
	Machines  []string   `yaml:"machines"`
	Documents []Document `yaml:"documents"`
}

// Document is a policy document. In its text, "${requirement NAME}" stands for what the
// workload of a machine requires.
type Document struct {
	Name string `yaml:"name"`
	Text string `yaml:"text"`
}

// Step is one thing that happens, and what must come of it. Exactly one of the fields up to
// Restart is set.
type Step struct {
	Attest  string     `yaml:"attest"`  // a machine attests for a new key
	Relay   string     `yaml:"relay"`   // somebody else sends, for a key of theirs, what the machine sent last
	Enrol   string     `yaml:"enrol"`   // the machine's TPM enrols
	Grant   *Policy    `yaml:"grant"`   // added to the policy in force, or in place of documents of the same name
	Extend  *Extension `yaml:"extend"`  // software measures something
	Reboot  string     `yaml:"reboot"`  // a machine starts again
	Inject  string     `yaml:"inject"`  // a fault begins
	Clear   string     `yaml:"clear"`   // a fault ends
	Travel  string     `yaml:"travel"`  // the clock moves: "36h", "40d", "-1d"
	Refresh bool       `yaml:"refresh"` // the service reads what the vendors publish now
	Restart bool       `yaml:"restart"` // the service starts again

	// On are the machines that a fault befalls.
	On []string `yaml:"on"`

	// Expect is "accepted" or "refused", of the first four.
	Expect string `yaml:"expect"`
	// Workload and SPIFFEID are what an attestation that is accepted brings; empty is any.
	Workload string `yaml:"workload"`
	SPIFFEID string `yaml:"spiffe_id"`
	// Codes are those of all checks that failed, or the refusal's own where it is not for a
	// check.
	Codes []string `yaml:"codes"`
}

// Extension is data that is measured into a register.
type Extension struct {
	Machine  string `yaml:"machine"`
	Register string `yaml:"register"` // "rtmr3", "pcr8"
	Data     string `yaml:"data"`
}

// The expectations.
const (
	accepted = "accepted"
	refused  = "refused"
)

const defaultSeed = "scenarios"
