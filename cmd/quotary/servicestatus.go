package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/quotary/quotary/client/admin"
)

const serviceStatusHelp = `usage: quotary status [FLAG]…

Show how a service does: its parts, which policy is in force and since when another
one decides beside it, what waits for approval, and the end of its audit chain.

` + adminHelp + `
exit codes: 0 everything is ready, 3 a part is not; 2 the service refuses; 1 everything
else that went wrong

examples:
  quotary status
  quotary status -o json | jq -r '"\(.ledger.events):\(.ledger.hash)"'   (a head to keep elsewhere)
`

func serviceStatus(s streams, args []string) (exit, error) {
	var f adminFlags
	flags := flagSet("status")
	f.register(flags)
	if err := parseWithout(flags, args); err != nil {
		return exitFailed, err
	}
	ready := true
	code, err := f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		status, err := c.Status(ctx)
		if err != nil {
			return err
		}
		for _, part := range status.Parts {
			ready = ready && part.Ready
		}
		return writeValue(s, f.output.value, status, func() error {
			showStatus(s, status, f.service.url, ready)
			return nil
		})
	})
	if code == exitAccepted && err == nil && !ready {
		return exitUndecided, nil
	}
	return code, err
}

func showStatus(s streams, st *admin.Status, url string, ready bool) {
	title := s.terminal.paint(green, "READY")
	if !ready {
		title = s.terminal.paint(red, "NOT READY")
	}
	fmt.Fprintf(s.out, "%s: %s\n", title, printable(url))
	if st.SimulatedAccepted {
		fmt.Fprintln(s.out, s.terminal.paint(yellow, "SIMULATED")+": the service accepts simulated evidence, which says nothing of real hardware")
	}
	fmt.Fprintln(s.out)
	policy := st.Policy.Digest
	if policy == "" {
		policy = st.PolicyDigest
	}
	switch {
	case st.Policy.Mode == "files":
		policy += " (its files decide)"
	case st.Policy.Mode == "service" && st.Policy.Seq == 0:
		policy += " (none was applied yet)"
	case st.Policy.Mode == "service":
		policy += fmt.Sprintf(" (number %d of the history)", st.Policy.Seq)
	}
	shadow := ""
	if st.Shadow != nil {
		shadow = st.Shadow.Digest + " since " + stamp(st.Shadow.Since)
	}
	proposals := ""
	if st.Proposals > 0 {
		proposals = fmt.Sprintf("%d open", st.Proposals)
	}
	approvals := ""
	if st.Approvals > 1 {
		approvals = fmt.Sprintf("%d owners must agree to a change", st.Approvals)
	}
	trust := ""
	if c := st.Continuous; !c.LastAt.IsZero() {
		trust = fmt.Sprintf("%d identities looked at %s; %d revoked, %d failing, %d unknown", c.Reviewed, stamp(c.LastAt), c.Revoked, c.Failing, c.Unknown)
	}
	s.fields(row{"version", st.Version}, row{"started", stamp(st.StartedAt)}, row{"trust domain", st.TrustDomain}, row{"policy", policy},
		row{"workloads", strings.Join(st.Workloads, ", ")}, row{"in the shadow", shadow}, row{"proposals", proposals}, row{"approvals", approvals}, row{"trust", trust},
		row{"audit chain", fmt.Sprintf("%d:%s", st.Ledger.Events, st.Ledger.Hash)})
	fmt.Fprintln(s.out)
	parts := newTable(column{"PART", true}, column{"STATE", true}, column{"DETAIL", false})
	for _, part := range st.Parts {
		state := cell{"ready", green}
		if !part.Ready {
			state = cell{"NOT READY", red}
		}
		parts.add(part.Name, state, part.Detail)
	}
	parts.write(s)
}
