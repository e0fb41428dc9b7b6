package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/quotary/quotary/client/admin"
)

const revokeHelp = `usage: quotary revoke [FLAG]… --reason TEXT --where CONDITION
       quotary revoke [FLAG]… --reason TEXT --serial SERIAL…
       quotary revoke [FLAG]… --reason TEXT --attestation ID…

Revoke certificates that the service issued and that still live. They go onto its
revocation lists at once. Whoever had one may attest anew, and gets another if policy
lets it: to keep a machine out, change the policy first.

which:
  --where CONDITION      all that this CEL expression picks, as rules of policies are
                         written: over sev_snp, tdx, tpm, paravisor, kinds, simulated and now
                         as they were recorded, and workload and spiffe_id. What is neither
                         true nor false of a certificate's evidence leaves it alone
  --serial SERIAL        the one with this serial number in hex; may be given again
  --attestation ID       the one that was issued on this attestation; may be given again

change:
  --reason TEXT          why, for the audit trail; needed
  --yes                  do it. Without, nothing is changed: what would be is shown

` + adminHelp + adminExits + `
examples:
  quotary revoke --where 'workload == "web"' --reason 'image withdrawn'
  quotary revoke --where 'sev_snp.reported_tcb.snp < 24' --reason 'old firmware' --yes
  quotary revoke --serial 4f1c0d8a --reason 'key leaked' --yes
`

const revocationsHelp = `usage: quotary revocations list [FLAG]…

Look at the certificates that were revoked.

subcommands:
  list  the last revoked

Each has its own: quotary revocations list --help
`

const revocationsListHelp = `usage: quotary revocations list [FLAG]…

List revoked certificates, those first that were revoked last.

which:
  --live                 those that revocation lists have: they ended in the last two hours,
                         or would still be valid
  --limit N              at most as many; 100 by default

` + adminHelp + adminExits + `
examples:
  quotary revocations list --live
  quotary revocations list -o json | jq -r '.revocations[].serial'
`

func revocationsCommands() []command {
	return []command{{"list", "the certificates that were revoked last", revocationsListHelp, revocationsList}}
}

func revocationsCommand(s streams, args []string) (exit, error) {
	return subcommand(s, "revocations", revocationsCommands(), args)
}

// repeated are the values of a flag that may be given again.
type repeated []string

func (r *repeated) String() string { return strings.Join(*r, ",") }

func (r *repeated) Set(value string) error {
	*r = append(*r, value)
	return nil
}

// registerRevocation registers what says which certificates.
func registerRevocation(flags *flag.FlagSet, r *admin.Revocation) {
	flags.StringVar(&r.Where, "where", "", "")
	flags.Var((*repeated)(&r.Serials), "serial", "")
	flags.Var((*repeated)(&r.Attestations), "attestation", "")
	flags.StringVar(&r.Reason, "reason", "", "")
}

func revoke(s streams, args []string) (exit, error) {
	var f adminFlags
	var r admin.Revocation
	flags := flagSet("revoke")
	f.register(flags)
	registerRevocation(flags, &r)
	yes := flags.Bool("yes", false, "")
	if err := parseWithout(flags, args); err != nil {
		return exitFailed, err
	}
	if err := checkRevocation(r); err != nil {
		return exitFailed, err
	}
	r.DryRun = !*yes
	role := operator
	if *yes {
		role = owner
	}
	return f.do(s, role, func(ctx context.Context, c *admin.Client) error {
		result, err := c.Revoke(ctx, r)
		if err != nil {
			return err
		}
		return writeValue(s, f.output.value, result, func() error {
			showRevoked(s, &f, r, result)
			return nil
		})
	})
}

func checkRevocation(r admin.Revocation) error {
	given := 0
	for _, is := range []bool{r.Where != "", len(r.Serials) > 0, len(r.Attestations) > 0} {
		if is {
			given++
		}
	}
	if given != 1 {
		return usage("which certificates?", "give --where CONDITION, --serial SERIAL or --attestation ID, one of them")
	}
	if strings.TrimSpace(r.Reason) == "" {
		return usage("why?", "give --reason TEXT, for the audit trail")
	}
	return nil
}

func showRevoked(s streams, f *adminFlags, r admin.Revocation, result *admin.Revoked) {
	if result.Applied {
		fmt.Fprintf(s.out, "%s: %d revoked, up to revocation %d\n\n", s.terminal.paint(green, "DONE"), result.Revoked, result.Sequence)
	} else {
		fmt.Fprintf(s.out, "%s: nothing was changed; %d would be revoked\n\n", s.terminal.paint(bold, "DRY RUN"), result.Matched)
	}
	showCertificates(s, result.Certificates, time.Now())
	if more := result.Matched - len(result.Certificates); more > 0 {
		fmt.Fprintf(s.out, "and %d more\n", more)
	}
	if result.Unclear > 0 {
		fmt.Fprintf(s.out, "\n%d left alone: their evidence is of another kind, or does not say what is asked for\n", result.Unclear)
	}
	for _, name := range result.LeftOut {
		fmt.Fprintf(s.out, "\n%s is not live, or revoked already\n", printable(name))
	}
	if !result.Applied && result.Matched > 0 {
		showNext(s, f.next(append([]string{"quotary", "revoke"}, revocationLine(r)...)...))
	}
}

// revocationLine are the flags that do what was tried.
func revocationLine(r admin.Revocation) (line []string) {
	if r.Where != "" {
		line = append(line, "--where", r.Where)
	}
	for _, serial := range r.Serials {
		line = append(line, "--serial", serial)
	}
	for _, id := range r.Attestations {
		line = append(line, "--attestation", id)
	}
	return append(line, "--reason", r.Reason, "--yes")
}

func revocationsList(s streams, args []string) (exit, error) {
	var f adminFlags
	var limit int
	flags := flagSet("revocations list")
	f.register(flags)
	registerLimit(flags, &limit, 100)
	live := flags.Bool("live", false, "")
	if err := parseWithout(flags, args); err != nil {
		return exitFailed, err
	}
	return f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		list, err := gather(c.Revocations(ctx, *live, limit+1), limit)
		if err := noteCut(s, err, limit); err != nil {
			return err
		}
		return writeValue(s, f.output.value, map[string]any{"revocations": list}, func() error {
			showRevocations(s, list)
			return nil
		})
	})
}

func showRevocations(s streams, list []admin.RevokedCertificate) {
	if len(list) == 0 {
		fmt.Fprintln(s.out, "none")
		return
	}
	t := newTable(column{"NUMBER", true}, column{"SERIAL", true}, column{"IDENTITY", false}, column{"REVOKED", true}, column{"BY", false}, column{"REASON", false})
	for _, r := range list {
		t.add(fmt.Sprint(r.Sequence), r.Serial, r.SPIFFEID, stamp(r.RevokedAt), r.RevokedBy, r.Reason)
	}
	t.write(s)
}
