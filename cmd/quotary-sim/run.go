package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// The exit codes.
const (
	exitDone   = 0 // everything happened as it should
	exitFailed = 1 // something did not happen as it should
	exitUsage  = 2 // it could not be tried: wrong words, files, or a service that does not answer
)

// streams are where a command writes: what it was asked for, and what it says about that.
type streams struct{ out, err io.Writer }

// command is one of the program's commands.
type command struct {
	name  string
	about string // one line
	help  string // everything below its "Usage:"
	run   func(ctx context.Context, args []string, s streams) error
}

func commands() []command {
	return []command{
		{"demo", "a service, three simulated machines, and what they are refused for", demoHelp, demo},
		{"run", "run scenarios: what happens to machines, and what must come of it", runHelp, runScenarios},
		{"serve", "run vendors, machines and a service, steered over HTTP", serveHelp, serve},
		{"attack", "try the known attacks on a service, one by one", attackHelp, attack},
		{"prepare", "write what a service needs to trust a simulated world", prepareHelp, prepare},
		{"faults", "list what can be wrong with machines and vendors", faultsHelp, listFaults},
		{"load", "measure attestations a second", loadHelp, load},
	}
}

// unexpected is an error for what did not happen as it should; all others are for
// what could not be tried.
type unexpected struct{ error }

func (u unexpected) Unwrap() error { return u.error }

// run executes one command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, streams{stdout, stderr})
	var broken unexpected
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &broken):
		fmt.Fprintf(stderr, "quotary-sim: %v\n", err)
		return exitFailed
	}
	fmt.Fprintf(stderr, "quotary-sim: %v\n", err)
	return exitUsage
}

func dispatch(ctx context.Context, args []string, s streams) error {
	if len(args) == 0 {
		return errors.New("there is no command; try: quotary-sim demo, or quotary-sim help")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(rest) == 0 {
			overview(s.out)
			return nil
		}
		name, rest = rest[0], []string{"--help"}
	}
	var names []string
	for _, c := range commands() {
		if c.name != name {
			names = append(names, c.name)
			continue
		}
		err := c.run(ctx, rest, s)
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(s.out, "quotary-sim %s: %s\n\nUsage:\n%s", c.name, c.about, c.help)
			return nil
		}
		return err
	}
	return fmt.Errorf("%q is not a command; commands are %s, help", name, strings.Join(names, ", "))
}

// overview is the help on everything.
func overview(out io.Writer) {
	fmt.Fprint(out, "quotary-sim: Quotary without hardware\n\nUsage:\n")
	for _, c := range commands() {
		fmt.Fprintf(out, "  quotary-sim %-9s %s\n", c.name, c.about)
	}
	fmt.Fprintf(out, `  quotary-sim %-9s what a command takes, with examples

Examples:
  quotary-sim demo
  quotary-sim attack
  quotary-sim help attack

Exit codes: 0 if everything happened as it should, 1 if something did not,
2 if it could not be tried.
`, "help C")
}

// newFlags returns an empty set of flags that prints nothing by itself.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parseAll reads flags; what stands behind them are the flags' Args.
func parseAll(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	return fmt.Errorf("%w; try: quotary-sim help %s", err, flags.Name())
}

// parse reads flags and refuses anything behind them.
func parse(flags *flag.FlagSet, args []string) error {
	if err := parseAll(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is one word too many; try: quotary-sim help %s", flags.Arg(0), flags.Name())
	}
	return nil
}
