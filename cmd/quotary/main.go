// Command quotary judges attestation evidence offline: it verifies SEV-SNP
// reports, TDX quotes and TPM quotes against vendors' endorsements and, if
// given, an owner's policy; shows what evidence says of itself; and makes
// evidence for a service, of raw parts or of the machine that it runs on. It reads
// files, asks that machine, and writes its answer, nothing else: no network, no state.
//
// Start at [run], which is main without the process around it.
package main

import "os"

func main() {
	os.Exit(int(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)))
}
