package boottest

import "fmt"

// Report is what a machine tells of its boot.
type Report struct {
	Outcomes []Outcome // of the agent's attestations
	Chain    string    // of the first identity, PEM; empty without
	Peer     string    // the SPIFFE ID of the machine that it spoke to; empty without
	Failed   string    // why the machine could not come so far
}

// Outcome is what came of an attestation, as the agent logs it.
type Outcome struct {
	AttestationID string   `json:"attestation_id,omitempty"` // of one that was granted
	FailedChecks  []string `json:"failed_checks,omitempty"`  // of one that was refused
}

// Granted reports whether there was an identity.
func (o Outcome) Granted() bool { return o.AttestationID != "" }

// Refused reports whether the service said no to what the machine is.
func (o Outcome) Refused() bool { return len(o.FailedChecks) > 0 }

// Where things are in the machine.
const (
	AgentPath    = "/quotary-agent"
	ConfigPath   = "/agent.yaml"
	RootPath     = "/root.crt"
	IdentityPath = "/run/identity"
)

// ServiceHost and ServicePort are where a machine finds the service, on whatever port
// the test has it.
const (
	ServiceHost = "10.0.2.100"
	ServicePort = "8443"
)

// PeerPort is where machines wait for their peers.
const PeerPort = "8444"

// PeerAddress is the address of machine 1 or 2 on the network between them.
func PeerAddress(number byte) string { return fmt.Sprintf("10.9.0.%d", number) }
