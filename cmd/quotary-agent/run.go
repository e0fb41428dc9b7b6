package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/daemon"
)

// The exit codes. exec ends with its command's, or with one of those that shells have
// (125 to 127) where that did not run.
const (
	exitDone       = 0
	exitFailed     = 1   // usage, configuration, this machine
	exitRefused    = 2   // the service refused this machine
	exitNoAnswer   = 3   // nobody answered in time, or there is no identity yet
	exitNoIdentity = 125 // exec: there was no identity in time
	exitNotRun     = 126 // exec: the command could not be run
	exitNotFound   = 127 // exec: there is no such command
)

const usageText = `quotary-agent gives the machine that it runs on an identity, and keeps it fresh.

usage:
  quotary-agent run --config FILE                   attest, hand out, attest again
  quotary-agent once --config FILE [--wait TIME]    attest once and write the files
  quotary-agent exec --config FILE … -- COMMAND …   run, and a command with the identity
  quotary-agent status (--config FILE | --socket PATH) [-o text|json]
  quotary-agent authorize --config FILE             decide for the proxies on a gateway
  quotary-agent evidence --config FILE --report-data HEX [-o json|cbor] [--out FILE]
  quotary-agent version
  quotary-agent help [COMMAND]

Documentation: docs/agent.md.
`

// command is one of the program's.
type command struct {
	help string
	run  func(s streams, args []string) (int, error)
}

// streams are where a command writes to.
type streams struct{ out, err io.Writer }

func commands() map[string]command {
	return map[string]command{
		"run":       {runHelp, runAgent},
		"once":      {onceHelp, once},
		"exec":      {execHelp, execute},
		"status":    {statusHelp, status},
		"authorize": {authorizeHelp, authorizeProxies},
		"evidence":  {evidenceHelp, collect},
	}
}

// run executes one command line and returns the process's exit code.
func run(args []string, stdout, stderr io.Writer) int {
	s := streams{stdout, stderr}
	if len(args) == 0 {
		s.report(errors.New("there is no command; try: quotary-agent help"))
		return exitFailed
	}
	switch args[0] {
	case "version", "--version":
		fmt.Fprintf(stdout, "quotary-agent %s (%s %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitDone
	case "help", "-h", "-help", "--help":
		return s.help(args[1:])
	}
	chosen, ok := commands()[args[0]]
	if !ok {
		s.report(fmt.Errorf("%q is not a command; try: quotary-agent help", args[0]))
		return exitFailed
	}
	code, err := chosen.run(s, args[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, chosen.help)
		return exitDone
	}
	if err != nil {
		s.report(err)
		code = max(code, exitFailed)
	}
	return code
}

func (s streams) help(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(s.out, usageText)
		return exitDone
	}
	chosen, ok := commands()[args[0]]
	if !ok {
		s.report(fmt.Errorf("%q is not a command; try: quotary-agent help", args[0]))
		return exitFailed
	}
	fmt.Fprint(s.out, chosen.help)
	return exitDone
}

// report writes an error for people, and what can be done about it.
func (s streams) report(err error) {
	fmt.Fprintf(s.err, "quotary-agent: %s\n", printable(err.Error()))
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(s.err, "quotary-agent: hint: %s\n", hint)
	}
}

// printable replaces what would move a terminal's cursor: text from services and
// devices is in errors.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, text)
}

// common are the flags of all commands that read the configuration.
type common struct{ config string }

func (c *common) flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	fs.StringVar(&c.config, "config", "", "")
	return fs
}

// parse reads a command's flags; what is behind them is for exec alone.
func parse(fs *flag.FlagSet, args []string, operands bool) error {
	hint := "try: quotary-agent " + fs.Name() + " --help"
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w; %s", err, hint)
	}
	if !operands && fs.NArg() > 0 {
		return fmt.Errorf("%s takes no operands, and %q is one; %s", fs.Name(), fs.Arg(0), hint)
	}
	return nil
}

// open opens the agent that the configuration says.
func (c *common) open(logger *slog.Logger, o daemon.Options) (*daemon.Daemon, error) {
	config, err := c.read()
	if err != nil {
		return nil, err
	}
	o.Config, o.Logger = config, logger
	return daemon.Open(o)
}

func (c *common) read() (daemon.Config, error) {
	if c.config == "" {
		return daemon.Config{}, errors.New("--config FILE is needed; docs/agent.md has an example")
	}
	return daemon.ReadConfig(c.config)
}

// exitOf is the exit code of an attempt that failed.
func exitOf(err error) int {
	switch {
	case agent.Refused(err):
		return exitRefused
	case unanswered(err):
		return exitNoAnswer
	}
	return exitFailed
}

// jsonLog is the log: one JSON object a line.
func jsonLog(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }

// environ is the process's environment without what is for it alone.
func environ(without []string) []string {
	var out []string
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		keep := true
		for _, w := range without {
			keep = keep && name != w
		}
		if keep {
			out = append(out, pair)
		}
	}
	return out
}

// buildVersion is the module's version as the Go toolchain stamped it.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
