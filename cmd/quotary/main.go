// Command quotary judges attestation evidence: it verifies SEV-SNP reports, TDX
// quotes and TPM quotes against vendors' endorsements and, if given, an owner's
// policy; shows what evidence says of itself; makes evidence for a service, of raw
// parts or of the machine that it runs on; and looks after stores of endorsements.
// It reads files, asks that machine, and writes its answer. Only where it is told to
// fetch endorsements does it use the network, and only a store's directory is state.
//
// Start at [run], which is main without the process around it.
package main

import "os"

func main() {
	os.Exit(int(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)))
}
