package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
)

// The exit codes.
const (
	exitDone   = 0 // everything happened as it should
	exitFailed = 1 // usage, or something did not happen as it should
)

const helpText = `quotary-sim: Quotary without hardware

Usage:
  quotary-sim demo [--serve] [--listen ADDRESS] [--dir DIR]
  quotary-sim load [--kind KIND] [--clients N,…] [--duration DURATION] [-o text|json]
  quotary-sim help

demo starts a service that trusts simulated vendors, lets an SEV-SNP, a TDX and
a TPM machine attest to it over HTTPS, lets two of them talk over mutual TLS,
shows how a tampered machine is refused, and verifies real evidence offline.
  --serve           keep the service running afterwards, until interrupted
  --listen ADDRESS  where the service listens (default 127.0.0.1:0, a free port)
  --dir DIR         where it keeps its data (default: a new directory, removed
                    at the end unless --serve is given)

load measures a service in this process: whole attestations over HTTPS, from
challenge to certificate, in requests a second and latency, and as a ratio to
the one signature verification that the technology cannot do without.
  --kind KIND       sev-snp, tdx or tpm (default: each in turn)
  --clients N,…     numbers of concurrent clients (default 1,8)
  --duration D      how long each measurement takes (default 5s)
  -o FORMAT         text or json

Examples:
  quotary-sim demo
  quotary-sim demo --serve --listen 127.0.0.1:8443
  quotary-sim load --kind tdx --clients 1,8 --duration 10s

Exit codes: 0 if everything happened as it should, 1 if not.
`

// run executes one command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdout)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, helpText)
		return exitDone
	}
	fmt.Fprintf(stderr, "quotary-sim: %v\n", err)
	return exitFailed
}

func dispatch(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errors.New("there is no command; try: quotary-sim demo, or quotary-sim help")
	}
	switch args[0] {
	case "demo":
		return demo(ctx, args[1:], stdout)
	case "load":
		return load(ctx, args[1:], stdout)
	case "help", "-h", "-help", "--help":
		return flag.ErrHelp
	}
	return fmt.Errorf("%q is not a command; commands are demo, load, help", args[0])
}

// newFlags returns an empty set of flags that prints nothing by itself.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parse reads flags and refuses anything behind them.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w; try: quotary-sim help", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is one word too many; try: quotary-sim help", flags.Arg(0))
	}
	return nil
}
