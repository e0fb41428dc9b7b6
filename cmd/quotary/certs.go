package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/quotary/quotary/client/admin"
)

const certsHelp = `usage: quotary certs list [FLAG]…
       quotary certs show [FLAG]… SERIAL

Look at the certificates that the service issued to workloads.

subcommands:
  list  the newest certificates
  show  one of them

Each has its own: quotary certs list --help
`

const certsListHelp = `usage: quotary certs list [FLAG]…

List certificates, the newest first.

` + listHelp + adminHelp + adminExits + `
examples:
  quotary certs list --live
  quotary certs list --spiffe-id spiffe://example.org/web -o json
`

const certsShowHelp = `usage: quotary certs show [FLAG]… SERIAL

Show what a certificate was issued on. SERIAL is its serial number in hex; colons
between the digits, as other programs write them, do not matter.

` + adminHelp + adminExits + `
examples:
  quotary certs show 4f1c0d8a
  quotary certs show "$(openssl x509 -in svid.pem -noout -serial | cut -d= -f2)"
`

func certsCommands() []command {
	return []command{
		{"list", "the newest certificates", certsListHelp, certsList},
		{"show", "what a certificate was issued on", certsShowHelp, certsShow},
	}
}

func certsCommand(s streams, args []string) (exit, error) {
	return subcommand(s, "certs", certsCommands(), args)
}

func certsList(s streams, args []string) (exit, error) {
	return listIssued(s, args, "certs list", "certificates", (*admin.Client).Certificates, showCertificates)
}

func showCertificates(s streams, list []admin.Attestation, now time.Time) {
	if len(list) == 0 {
		fmt.Fprintln(s.out, "none")
		return
	}
	t := newTable(column{"SERIAL", true}, column{"IDENTITY", false}, column{"WORKLOAD", false}, column{"KINDS", false}, column{"ISSUED", true}, column{"ENDS", true})
	for _, a := range list {
		t.add(a.Serial, a.SPIFFEID, a.Workload, kindsOf(a), stamp(a.IssuedAt), endOf(a, now))
	}
	t.write(s)
}

func certsShow(s streams, args []string) (exit, error) {
	var f adminFlags
	flags := flagSet("certs show")
	f.register(flags)
	operand, err := operandOf(flags, args, "SERIAL")
	if err != nil {
		return exitFailed, err
	}
	serial := strings.ToLower(strings.ReplaceAll(operand, ":", ""))
	if serial == "" || strings.Trim(serial, "0123456789abcdef") != "" {
		return exitFailed, usage(fmt.Sprintf("%q is no serial number", operand), "it has hex digits, as quotary certs list shows them")
	}
	return f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		list, err := gather(c.Certificates(ctx, admin.Filter{Serial: serial}, 1), 1)
		if err != nil {
			return err
		}
		if len(list) == 0 || list[0].Serial != serial {
			return usage("the service issued no certificate of serial number "+serial, "see quotary certs list")
		}
		return writeValue(s, f.output.value, list[0], func() error { return showAttestation(s, &list[0]) })
	})
}
