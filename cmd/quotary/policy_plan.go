package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/policies"
)

const policyPlanHelp = `usage: quotary policy plan [FLAG]… FILE|DIRECTORY…

Have a candidate decide what the service recorded of live and recent attestations (of the
last day, at most the newest 50,000: it says how many were left out), beside the set in
force: who would be denied and by what check, who newly admitted, who would get another
identity. Nothing is changed. The files are the whole set.

` + adminHelp + adminExits + `
examples:
  quotary policy plan ./policy
  quotary policy plan -o json ./policy | jq .plan.denied.count
`

func policyPlan(s streams, args []string) (exit, error) {
	var f adminFlags
	fs := flagSet("policy plan")
	f.register(fs)
	operands, err := parse(fs, args)
	if err != nil {
		return exitFailed, err
	}
	documents, err := candidate(operands)
	if err != nil {
		return exitFailed, err
	}
	return administer(s, &f, operator, func(ctx context.Context, c *admin.Client) error {
		plan, err := c.Plan(ctx, documents)
		if err != nil {
			return err
		}
		return writeValue(s, f.output.value, plan, func() error {
			if err := showPlan(s, *plan, false); err != nil {
				return err
			}
			showNext(s, f.next(append([]string{"quotary", "policy", "apply"}, operands...)...))
			return nil
		})
	})
}

// administer is adminFlags.do; what the service finds wrong in documents is told
// place by place.
func administer(s streams, f *adminFlags, role string, work func(context.Context, *admin.Client) error) (exit, error) {
	return f.do(s, role, func(ctx context.Context, c *admin.Client) error {
		err := work(ctx, c)
		var p *client.Problem
		if errors.As(err, &p) {
			for _, problem := range p.Documents {
				s.note("%s", printable(problem.String()))
			}
		}
		return err
	})
}

// showPlan writes what a candidate would change, or has changed if it was applied.
func showPlan(s streams, p admin.Plan, applied bool) error {
	if applied {
		s.fields(row{"before", p.Base}, row{"in force", p.Digest})
	} else {
		s.fields(row{"in force", p.Base}, row{"candidate", p.Digest})
	}
	fmt.Fprintln(s.out, "\n"+s.terminal.paint(bold, "what differs:"))
	if changes, ok := decoded[policies.Changes](p.Diff); ok {
		showChanges(s, changes)
	} else if err := showYAML(s, p.Diff); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "\n"+s.terminal.paint(bold, "what would become of what is recorded:"))
	if report, ok := decoded[policies.PlanReport](p.Plan); ok {
		showReport(s, &report)
	} else if err := showYAML(s, p.Plan); err != nil {
		return err
	}
	if len(p.Warnings) > 0 {
		fmt.Fprintln(s.out)
		showNotes(s, cell{"warning", yellow}, p.Warnings)
	}
	return nil
}

// showNext says what to type next.
func showNext(s streams, command string) {
	fmt.Fprintf(s.out, "\nnext: %s\n", printable(command))
}

// shellWords are words as a shell takes them.
func shellWords(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = word
		if word == "" || strings.ContainsFunc(word, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@,+", r)
		}) {
			quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
