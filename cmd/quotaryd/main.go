// Command quotaryd is the attestation service: it serves the HTTP interface of
// docs/api.md over TLS from one data directory, which it makes at its first start.
//
// Start at [run], which is main without the process around it.
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
