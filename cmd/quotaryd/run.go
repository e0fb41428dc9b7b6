package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// The exit codes.
const (
	exitDone     = 0
	exitFailed   = 1 // usage, configuration, or the service failed
	exitTampered = 2 // audit only: the chain does not hold
)

const usageText = `quotaryd is the attestation service: evidence in; verdict, token and certificate out.

usage:
  quotaryd serve --data DIR [--config FILE] [--listen ADDRESS]
  quotaryd audit --data DIR [--contains HEAD]…
  quotaryd admin issue|revoke|list --data DIR …
  quotaryd ca show|prepare|activate|taint|revoke|rotate|csr|sign|install|sign-list|install-list …
  quotaryd version
  quotaryd help [COMMAND]

Documentation: docs/operations.md (running it), docs/administrators.md (who may
change it), docs/api.md (talking to it).
`

const serveHelp = `usage: quotaryd serve --data DIR [--config FILE] [--listen ADDRESS]

Serve attestations over HTTPS. The first start makes everything that is needed in
DIR: keys, an authority, a ledger, an administrator's credential that is printed
once. Later starts use what is there.

  --data DIR        the data directory; made if it does not exist (needed)
  --config FILE     the configuration, in YAML (default: all defaults)
  --listen ADDRESS  address and port (default: the configuration's, or 127.0.0.1:8443)

Signals: INT and TERM stop the service once running requests have ended; HUP reads
policies and endorsements again.

examples:
  quotaryd serve --data /var/lib/quotary
  quotaryd serve --data /var/lib/quotary --config /etc/quotary.yaml --listen 0.0.0.0:8443
  kill -HUP $(pidof quotaryd)

Exit code: 0 stopped by a signal; 1 could not start, or failed.
`

const auditHelp = `usage: quotaryd audit --data DIR [--contains HEAD]…

Walk the audit chain in DIR from its beginning and print its end, the head. The
service may run meanwhile. Keep heads elsewhere: only an earlier one shows that the
end of the chain was cut off, or all of it written anew.

  --data DIR        the data directory (needed)
  --contains HEAD   an earlier head that the chain must contain, such as 12:04f1…

examples:
  quotaryd audit --data /var/lib/quotary
  quotaryd audit --data /var/lib/quotary --contains "$(tail -n 1 heads)"

Exit code: 0 the chain holds; 2 it does not; 1 it could not be read.
`

// run executes one command line and returns the process's exit code.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		report(stderr, errors.New("there is no command; try: quotaryd help"))
		return exitFailed
	}
	var err error
	code := exitFailed
	switch args[0] {
	case "serve":
		err = serve(args[1:], stdout, stderr)
	case "audit":
		code, err = audit(args[1:], stdout)
	case "admin":
		err = adminCommand(args[1:], stdout)
	case "ca":
		err = caCommand(args[1:], stdout)
	case "version", "--version":
		fmt.Fprintf(stdout, "quotaryd %s (%s %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, helpOf(args[1:]))
	default:
		err = fmt.Errorf("%q is not a command; try: quotaryd help", args[0])
	}
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, helpOf(args))
		err = nil
	}
	if err == nil {
		return exitDone
	}
	report(stderr, err)
	return code
}

// report writes an error, or each of several problems, for people.
func report(w io.Writer, err error) {
	var problems policies.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Fprintf(w, "quotaryd: %s: %s (%s)\n", p.Field, p.Detail, p.Code)
		}
		if slices.ContainsFunc(problems, ofSignatures) {
			fmt.Fprintln(w, "quotaryd: hint: a set that was applied before keys for reference values changed does not load under the new ones; docs/operations.md (Changing the keys of reference values) has the way around")
		}
		return
	}
	fmt.Fprintf(w, "quotaryd: %v\n", err)
}

// ofSignatures reports whether a problem is that of who signed reference values.
func ofSignatures(p *evidence.Error) bool {
	return p.Code == evidence.CodePolicyReferenceUnsigned || p.Code == evidence.CodePolicyReferenceSignature
}

func helpOf(args []string) string {
	if len(args) > 0 {
		switch args[0] {
		case "serve":
			return serveHelp
		case "audit":
			return auditHelp
		case "admin":
			return adminHelp
		case "ca":
			return caHelp
		}
	}
	return usageText
}

// parse reads a command's flags, which must be all there is, and insists on the
// data directory.
func parse(fs *flag.FlagSet, args []string, data *string) error {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	hint := "try: quotaryd " + fs.Name() + " --help"
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w; %s", err, hint)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%s takes no operands, and %q is one; %s", fs.Name(), fs.Arg(0), hint)
	}
	if *data == "" {
		return fmt.Errorf("--data DIR is needed; %s", hint)
	}
	return nil
}

// buildVersion is the module's version as the Go toolchain stamped it.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
