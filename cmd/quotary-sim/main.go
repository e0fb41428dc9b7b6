// Command quotary-sim shows and exercises Quotary without hardware: it starts a
// real service that trusts simulated vendors, and simulated machines that attest
// to it over HTTPS. It is the one program that links both; what is deployed
// never contains a simulator.
//
// Start at [run], which is main without the process around it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
