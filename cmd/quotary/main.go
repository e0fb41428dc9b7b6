// Command quotary judges attestation evidence: it verifies SEV-SNP reports, TDX
// quotes and TPM quotes against vendors' endorsements and, if given, an owner's
// policy; shows what evidence says of itself; makes evidence for a service, of raw
// parts or of the machine that it runs on; looks after stores of endorsements; and
// speaks to a service as its administrator. It reads files, asks that machine or
// service, and writes its answer. It uses the network only for what services are to be
// asked and where it is told to fetch endorsements; a store's directory and an
// administrator's profiles are all the state there is.
//
// Start at [run], which is main without the process around it.
package main

import "os"

func main() {
	os.Exit(int(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)))
}
