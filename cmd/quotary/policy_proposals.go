package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/policies"
)

const policyProposalsHelp = `usage: quotary policy proposals [FLAG]…

List proposals, the newest first: sets that wait, or waited, for owners to agree.

  --limit N              at most as many; 20 by default

` + adminHelp + adminExits + `
examples:
  quotary policy proposals
  quotary policy proposals -o json | jq '.proposals[] | select(.state == "open")'
`

const policyApproveHelp = `usage: quotary policy approve [FLAG]… NUMBER

Agree to a proposal. Without --yes nothing is agreed to: what it would change, and for
whom, is shown first. The last owner whose approval is needed puts it in force.

  --yes                  agree
  --digest DIGEST        only if this is the set that is proposed: what you looked at
` + keysHelp + `
` + adminHelp + adminExits + `
examples:
  quotary policy approve 3
  quotary policy approve 3 --digest sha256:… --yes
`

const policyWithdrawHelp = `usage: quotary policy withdraw [FLAG]… NUMBER

Take a proposal back. It can no longer be approved then.

` + adminHelp + adminExits + `
examples:
  quotary policy withdraw 3
`

func policyProposals(s streams, args []string) (exit, error) {
	var f adminFlags
	var limit int
	fs := flagSet("policy proposals")
	f.register(fs)
	registerLimit(fs, &limit, 20)
	if err := parseWithout(fs, args); err != nil {
		return exitFailed, err
	}
	return f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		list, err := gather(c.Proposals(ctx, limit+1), limit)
		if err := noteCut(s, err, limit); err != nil {
			return err
		}
		return writeValue(s, f.output.value, map[string]any{"proposals": list}, func() error {
			showProposals(s, list)
			return nil
		})
	})
}

func showProposals(s streams, list []admin.Proposal) {
	if len(list) == 0 {
		fmt.Fprintln(s.out, "none")
		return
	}
	t := newTable(column{"NUMBER", true}, column{"STATE", true}, column{"AGREED", true}, column{"BY", false}, column{"MADE", true}, column{"ENDS", true}, column{"COMMENT", false})
	for _, p := range list {
		style := none
		if p.State == "open" {
			style = yellow
		}
		t.add(p.ID, cell{p.State, style}, fmt.Sprintf("%d of %d", agreed(p), p.Needed), p.Author, stamp(p.CreatedAt), stamp(p.ExpiresAt), p.Comment)
	}
	t.write(s)
}

// agreed is how many approvals a proposal has: of one that waits, those that count still.
func agreed(p admin.Proposal) int {
	if p.State == "open" {
		return p.Agreed
	}
	return len(p.Approvals)
}

// review is what an owner looks at before they agree.
type review struct {
	Proposal admin.Proposal `json:"proposal"`
	Plan     admin.Plan     `json:"plan"`
}

func policyApprove(s streams, args []string) (exit, error) {
	var f adminFlags
	var digest string
	var keys signingKeys
	fs := flagSet("policy approve")
	f.register(fs)
	keys.register(fs)
	yes := fs.Bool("yes", false, "")
	fs.StringVar(&digest, "digest", "", "")
	id, err := numberOf(fs, args, "NUMBER")
	if err != nil {
		return exitFailed, err
	}
	o, err := keys.options()
	if err != nil {
		return exitFailed, err
	}
	same := true
	code, err := administer(s, &f, owner, func(ctx context.Context, c *admin.Client) error {
		r, err := reviewed(ctx, c, o, id)
		if err != nil {
			return err
		}
		if same = digest == "" || digest == r.Proposal.Digest; !same {
			s.note("proposal %d is of the set %s, and not of %s", id, printable(r.Proposal.Digest), printable(digest))
			s.note("hint: nothing was agreed to; look at it again: quotary policy approve %d", id)
			return nil
		}
		if *yes {
			return approve(ctx, s, c, f.output.value, r.Proposal)
		}
		return writeValue(s, f.output.value, r, func() error {
			if err := showReview(s, r); err != nil || r.Proposal.State != "open" {
				return err
			}
			words := []string{"quotary", "policy", "approve", strconv.FormatInt(id, 10), "--digest", r.Proposal.Digest, "--yes"}
			for _, key := range keys.files {
				words = append(words, "--reference-key", key)
			}
			showNext(s, f.next(words...))
			return nil
		})
	})
	if code == exitAccepted && err == nil && !same {
		return exitRejected, nil
	}
	return code, err
}

// reviewed fetches a proposal and plans it. What is shown are its documents, whose
// digest is computed here.
func reviewed(ctx context.Context, c *admin.Client, o policies.Options, id int64) (*review, error) {
	p, documents, err := c.Proposal(ctx, id)
	if err != nil {
		return nil, err
	}
	set, err := o.Load(filesOf(documents)...)
	if err != nil {
		return nil, withHint(err, "the proposal's documents do not load here: give the keys that sign reference values with --reference-key, if there are any; or is this program older than the service?")
	}
	if set.Digest() != p.Digest {
		return nil, usage(fmt.Sprintf("the documents of proposal %d are another set than it says: %s, and not %s", id, set.Digest(), p.Digest),
			"do not agree to it; is this program older than the service?")
	}
	plan, err := c.Plan(ctx, documents)
	if err != nil {
		return nil, err
	}
	return &review{*p, *plan}, nil
}

func showReview(s streams, r *review) error {
	showProposals(s, []admin.Proposal{r.Proposal})
	for _, a := range r.Proposal.Approvals {
		fmt.Fprintf(s.out, "agreed: %s at %s\n", printable(a.Name), stamp(a.At))
	}
	noteUncounted(s, r.Proposal)
	fmt.Fprintln(s.out)
	return showPlan(s, r.Plan, false)
}

func approve(ctx context.Context, s streams, c *admin.Client, format string, p admin.Proposal) error {
	result, err := c.Approve(ctx, p.ID, p.Digest)
	if err != nil {
		return err
	}
	return writeValue(s, format, result, func() error {
		if result.Applied {
			fmt.Fprintf(s.out, "%s: number %d of the history\n", s.terminal.paint(green, "IN FORCE"), result.Seq)
		} else {
			fmt.Fprintf(s.out, "%s: %d of %d owners agree\n", s.terminal.paint(yellow, "AGREED"), result.Proposal.Agreed, result.Proposal.Needed)
			noteUncounted(s, result.Proposal)
		}
		return nil
	})
}

// noteUncounted says why a proposal waits that looks as if enough owners had agreed.
func noteUncounted(s streams, p admin.Proposal) {
	if out := len(p.Approvals) - p.Agreed; p.State == "open" && out > 0 {
		fmt.Fprintf(s.out, "%d of these agreed by a certificate that is revoked, or otherwise than most: that counts no longer. They cannot agree again: withdraw the proposal, and propose anew\n", out)
	}
}

func policyWithdraw(s streams, args []string) (exit, error) {
	var f adminFlags
	fs := flagSet("policy withdraw")
	f.register(fs)
	id, err := numberOf(fs, args, "NUMBER")
	if err != nil {
		return exitFailed, err
	}
	return f.do(s, operator, func(ctx context.Context, c *admin.Client) error {
		p, err := c.Withdraw(ctx, id)
		if err != nil {
			return err
		}
		return writeValue(s, f.output.value, p, func() error {
			fmt.Fprintf(s.out, "proposal %d is %s\n", p.ID, printable(p.State))
			return nil
		})
	})
}
