package main

import "fmt"

const helpHelp = `usage: quotary help [COMMAND [SUBCOMMAND]]

Print an overview, or the help text of a command.
`

const helpHead = `quotary judges the evidence a machine gives about itself, and speaks to a service
that does. Judging, it goes online only for endorsements, and only when told to:
quotary verify --fetch, and quotary endorsements prefetch.

usage: quotary COMMAND [FLAG]… [OPERAND]…

`

const helpTail = `
exit codes:
  0  accepted by policy (or done, for commands that judge nothing)
  1  usage or internal error: nothing was judged
  2  rejected; by a service: refused
  3  undecided: an endorsement is missing (of a store: missing or expired)
  4  genuine, but no policy was given

examples:
  quotary verify --endorsements ./amd report.bin
  quotary verify --endorsements ./intel --policy ./policy -o json quote.bin
  quotary verify --ak ak.pem quote.msg        (with quote.sig and quote.pcrs beside it)
  quotary verify --fetch report.bin
  quotary inspect quote.bin
  quotary evidence pack --snp-report report.bin --out evidence.json
  sudo quotary evidence collect --report-data "$(openssl rand -hex 64)" --out evidence.json
  quotary endorsements prefetch --store ./collateral --evidence evidence.json
  quotary login --url https://attest.example.org:8443 --root root.crt --cert alice.pem
  quotary status

Each command has its own: quotary COMMAND --help
`

func help(s streams, args []string) (exit, error) {
	operands, err := parse(flagSet("help"), args)
	if err != nil {
		return exitFailed, err
	}
	if len(operands) > 0 {
		c, ok := find(operands[0])
		if !ok {
			return exitFailed, usage(fmt.Sprintf("%q is not a command", operands[0]), "commands are "+names())
		}
		if len(operands) > 1 {
			return helpOf(s, c.name, operands[1])
		}
		s.out.WriteString(c.help)
		return exitAccepted, nil
	}
	s.out.WriteString(helpHead + "commands:\n")
	for _, c := range commands() {
		fmt.Fprintf(s.out, "  %-12s %s\n", c.name, c.summary)
	}
	s.out.WriteString(helpTail)
	return exitAccepted, nil
}

// helpOf prints the help text of a command's own command.
func helpOf(s streams, of, name string) (exit, error) {
	own := families()[of]
	for _, c := range own {
		if c.name == name {
			s.out.WriteString(c.help)
			return exitAccepted, nil
		}
	}
	if own == nil {
		return exitFailed, usage(fmt.Sprintf("%s has no commands of its own", of), "try: quotary help "+of)
	}
	return exitFailed, usage(fmt.Sprintf("%q is not a subcommand of %s", name, of), "subcommands are "+namesOf(own))
}
