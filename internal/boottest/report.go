package boottest

import "fmt"

// Report is what a machine tells of its boot.
type Report struct {
	CommandLine string // as the kernel got it
	Exit        int    // of quotary-agent once
	Said        string // by it
	Chain       string // of the identity, PEM; empty without
	Peer        string // the SPIFFE ID of the machine that it spoke to; empty without
	Failed      string // why the machine could not come so far
}

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
