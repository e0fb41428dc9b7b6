// Command quotary-agent gives the machine that it runs on an identity: it proves what
// the machine is to an attestation service, keeps the identity fresh by proving it again,
// and hands it to workloads over a socket and as files. It runs inside the attested
// machine.
//
// Start at [run], which is main without the process around it.
package main

import "os"

func main() {
	if os.Getpid() == 1 {
		os.Exit(first(os.Args, os.Stderr))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
