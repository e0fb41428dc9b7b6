package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/quotary/quotary/policies"
)

// streams are what a command reads and writes. Results go to out, in one piece
// after the command has succeeded; notes go to err at once.
type streams struct {
	in  io.Reader
	out *bytes.Buffer
	err io.Writer
	// flush delivers what is in out now, for commands that go on until they are ended.
	flush    func() error
	terminal terminal // where out goes
	attended bool     // err is a terminal: somebody may be waiting
}

// note tells the user something that is not the result.
func (s streams) note(format string, args ...any) {
	fmt.Fprintf(s.err, "quotary: "+format+"\n", args...)
}

// command is a subcommand. Its run returns an error only if it could not do its
// work; a verdict is no error.
type command struct {
	name    string
	summary string
	help    string
	run     func(s streams, args []string) (exit, error)
}

// commands lists the subcommands in the order of the help text. It is a
// function, not a variable, because help itself is one of them.
func commands() []command {
	return []command{
		{"verify", "judge evidence", verifyHelp, verify},
		{"inspect", "show what evidence says of itself, without judging it", inspectHelp, inspect},
		{"endorsements", "look after a store of what vendors say", endorsementsHelp, endorsementsCommand},
		{"evidence", "make evidence of raw parts, or of this machine", evidenceHelp, evidenceCommand},
		{"tpm", "show what tells this machine's TPM from others", tpmHelp, tpmCommand},
		{"measure", "compute from files what a machine will be measured to be", measureHelp, measureCommand},
		{"policy", "write, test, foresee, put in force and explain policies", policyHelp, policyCommand},
		{"reference", "look after reference values", referenceHelp, referenceCommand},
		{"login", "keep a service and a credential for it in a profile", loginHelp, login},
		{"logout", "forget a profile", logoutHelp, logout},
		{"profile", "list profiles, and switch between them", profilesHelp, profileCommand},
		{"whoami", "show whom the service takes you for", whoamiHelp, whoami},
		{"status", "show how the service does", serviceStatusHelp, serviceStatus},
		{"attestations", "look at what the service issued", attestationsHelp, attestationsCommand},
		{"certs", "look at the certificates that it issued", certsHelp, certsCommand},
		{"revoke", "have certificates count no more", revokeHelp, revoke},
		{"revocations", "look at what was revoked", revocationsHelp, revocationsCommand},
		{"keys", "look after attestation keys of TPMs", attestationKeysHelp, keysCommand},
		{"audit", "look at the audit trail", auditHelp, auditCommand},
		{"reload", "have the service read its files again", reloadHelp, reload},
		{"completion", "print a script that completes command lines", completionHelp, completion},
		{"version", "print the version of this program", versionHelp, version},
		{"help", "print this text, or the help text of a command", helpHelp, help},
	}
}

// families lists the commands that have commands of their own.
func families() map[string][]command {
	return map[string][]command{
		"endorsements": endorsementsCommands(), "evidence": evidenceCommands(), "tpm": tpmCommands(), "measure": measureCommands(),
		"policy": policyCommands(), "reference": referenceCommands(),
		"attestations": attestationsCommands(), "certs": certsCommands(), "audit": auditCommands(), "keys": keysCommands(), "revocations": revocationsCommands(), "profile": profileCommands(), "completion": completionCommands(),
	}
}

func find(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// run executes one command line. It never panics: a fault in the program must
// not look like a verdict.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) (code exit) {
	s := streams{in: stdin, out: &bytes.Buffer{}, err: stderr, terminal: terminalOf(stdout), attended: terminalOf(stderr).width > 0}
	s.flush = func() error {
		_, err := s.out.WriteTo(stdout)
		return err
	}
	defer func() {
		if fault := recover(); fault != nil {
			s.note("internal error: %s", printable(fmt.Sprint(fault)))
			s.note("hint: nothing was judged; please report this with the command line")
			code = exitFailed
		}
	}()
	code, err := dispatch(s, args)
	if err != nil {
		s.report(err)
		return exitFailed
	}
	if err := s.flush(); err != nil {
		s.note("cannot write the result: %v", err)
		return exitFailed
	}
	return code
}

func dispatch(s streams, args []string) (exit, error) {
	if len(args) == 0 {
		return exitFailed, usage("there is no command", "try: quotary help")
	}
	switch args[0] {
	case "-h", "-help", "--help":
		return help(s, nil)
	case "-version", "--version":
		return version(s, nil)
	}
	c, ok := find(args[0])
	if !ok {
		return exitFailed, usage(fmt.Sprintf("%q is not a command", args[0]), "commands are "+names()+"; try: quotary help")
	}
	code, err := c.run(s, args[1:])
	if errors.Is(err, errHelp) {
		s.out.WriteString(c.help)
		return exitAccepted, nil
	}
	return code, err
}

func names() string { return namesOf(commands()) }

func namesOf(commands []command) string {
	var all []string
	for _, c := range commands {
		all = append(all, c.name)
	}
	return strings.Join(all, ", ")
}

// subcommand executes one of a command's own commands.
func subcommand(s streams, of string, commands []command, args []string) (exit, error) {
	hint := "try: quotary " + of + " --help"
	if len(args) == 0 {
		return exitFailed, usage(of+" needs a subcommand", hint)
	}
	if args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		return exitFailed, errHelp
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		code, err := c.run(s, args[1:])
		if errors.Is(err, errHelp) {
			s.out.WriteString(c.help)
			return exitAccepted, nil
		}
		return code, err
	}
	return exitFailed, usage(fmt.Sprintf("%q is not a subcommand of %s", args[0], of), "subcommands are "+namesOf(commands)+"; "+hint)
}

// hinted is an error with advice on what to do next.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// withHint adds advice to err, which may be nil.
func withHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return hinted{err, hint}
}

// usage is a mistake in the command line.
func usage(what, hint string) error { return hinted{errors.New(what), hint} }

// report writes an error and its hint to the user.
func (s streams) report(err error) {
	var problems policies.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			s.note("%s: %s (%s)", printable(p.Field), printable(p.Detail), p.Code)
		}
	} else {
		s.note("%s", printable(err.Error()))
	}
	var h hinted
	if errors.As(err, &h) {
		s.note("hint: %s", h.hint)
	}
}
