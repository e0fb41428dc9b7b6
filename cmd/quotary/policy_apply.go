package main

import (
	"context"
	"flag"
	"fmt"
	"strconv"

	"github.com/quotary/quotary/client/admin"
)

// changeHelp explains the flags of changeFlags.
const changeHelp = `change:
  --yes                  do it. Without, nothing is changed: what would be is shown
  --base DIGEST          only if this set is in force still; a dry run says which it is.
                         By default the one that is in force now
  --comment TEXT         why, for the history

`

const policyApplyHelp = `usage: quotary policy apply [FLAG]… FILE|DIRECTORY…

Put a set in force: the files are the whole of it. Without --yes this is a dry run, which
shows what differs, what would become of recorded attestations, and what to type next.
With --yes the set takes effect if the one that it was compared with is in force still;
if it is in force itself, nothing is changed.
Where several owners have to agree, it becomes a proposal, to which you have agreed.

` + changeHelp + adminHelp + adminExits + `
examples:
  quotary policy apply ./policy
  quotary policy apply ./policy --yes --comment "new release of web"
`

const policyRollbackHelp = `usage: quotary policy rollback [FLAG]… NUMBER

Put the set of this number in the history in force again, as a new entry of the history.
Without --yes this is a dry run, as of quotary policy apply. Where several owners have to
agree, it becomes a proposal.

` + changeHelp + adminHelp + adminExits + `
examples:
  quotary policy history
  quotary policy rollback 6
  quotary policy rollback 6 --yes --comment "web falls out"
`

// changeFlags say whether a change is made, and what it starts from.
type changeFlags struct {
	yes           bool
	base, comment string
}

func (f *changeFlags) register(fs *flag.FlagSet) {
	fs.BoolVar(&f.yes, "yes", false, "")
	fs.StringVar(&f.base, "base", "", "")
	fs.StringVar(&f.comment, "comment", "", "")
}

// change is a change of the set in force that can be tried.
type change struct {
	flags   changeFlags
	command []string // that makes it, without the flags of the change
	service *adminFlags
	request func(ctx context.Context, base string, dry bool) (*admin.Change, error)
}

// do tries the change, and makes it if that is wanted. Both start from the same set.
func (ch change) do(ctx context.Context, s streams, c *admin.Client) error {
	base := ch.flags.base
	if base == "" {
		p, err := c.Policy(ctx)
		if err != nil {
			return err
		}
		base = p.Digest
	}
	result, err := ch.request(ctx, base, true)
	if err != nil {
		return err
	}
	if ch.flags.yes && !result.InForce {
		if result, err = ch.request(ctx, base, false); err != nil {
			return err
		}
	}
	return writeValue(s, ch.service.output.value, result, func() error { return ch.show(s, result) })
}

func (ch change) show(s streams, result *admin.Change) error {
	switch {
	case result.Applied:
		fmt.Fprintf(s.out, "%s: number %d of the history\n", s.terminal.paint(green, "IN FORCE"), result.Seq)
	case result.InForce:
		fmt.Fprintf(s.out, "%s: these documents are number %d of the history; nothing was changed\n", s.terminal.paint(green, "ALREADY IN FORCE"), result.Seq)
		return nil
	case result.Proposal != nil:
		p := result.Proposal
		fmt.Fprintf(s.out, "%s: number %d, %d of %d owners agree; it ends %s\n", s.terminal.paint(yellow, "PROPOSED"), p.ID, p.Approvals, p.Needed, stamp(p.ExpiresAt))
	default:
		fmt.Fprintf(s.out, "%s: nothing was changed\n", s.terminal.paint(bold, "DRY RUN"))
	}
	if err := showPlan(s, result.Plan, result.Applied); err != nil {
		return err
	}
	switch {
	case result.Applied:
		showNext(s, ch.service.next("quotary", "policy", "history"))
	case result.Proposal != nil:
		showNext(s, fmt.Sprintf("another owner: quotary policy approve %d", result.Proposal.ID))
	default:
		words := append(ch.command, "--base", result.Base, "--yes")
		if ch.flags.comment != "" {
			words = append(words, "--comment", ch.flags.comment)
		}
		showNext(s, ch.service.next(words...))
	}
	return nil
}

func policyApply(s streams, args []string) (exit, error) {
	var f adminFlags
	var how changeFlags
	fs := flagSet("policy apply")
	f.register(fs)
	how.register(fs)
	operands, err := parse(fs, args)
	if err != nil {
		return exitFailed, err
	}
	documents, err := candidate(operands)
	if err != nil {
		return exitFailed, err
	}
	command := append([]string{"quotary", "policy", "apply"}, operands...)
	return administer(s, &f, how.role(), func(ctx context.Context, c *admin.Client) error {
		return applying(c, how, command, &f, documents).do(ctx, s, c)
	})
}

// applying is the change that puts documents in force.
func applying(c *admin.Client, how changeFlags, command []string, service *adminFlags, documents []admin.Document) change {
	return change{how, command, service, func(ctx context.Context, base string, dry bool) (*admin.Change, error) {
		return c.Apply(ctx, admin.Application{Documents: documents, Base: base, Comment: how.comment, DryRun: dry})
	}}
}

// role is what the service demands of who tries, or makes, a change.
func (f *changeFlags) role() string {
	if f.yes {
		return proposer
	}
	return operator
}

func policyRollback(s streams, args []string) (exit, error) {
	var f adminFlags
	var how changeFlags
	fs := flagSet("policy rollback")
	f.register(fs)
	how.register(fs)
	seq, err := numberOf(fs, args, "NUMBER")
	if err != nil {
		return exitFailed, err
	}
	command := []string{"quotary", "policy", "rollback", strconv.FormatInt(seq, 10)}
	return administer(s, &f, how.role(), func(ctx context.Context, c *admin.Client) error {
		return change{how, command, &f, func(ctx context.Context, base string, dry bool) (*admin.Change, error) {
			return c.Rollback(ctx, admin.Rollback{Seq: seq, Base: base, Comment: how.comment, DryRun: dry})
		}}.do(ctx, s, c)
	})
}

// numberOf returns the one operand of a command, a positive number.
func numberOf(fs *flag.FlagSet, args []string, what string) (int64, error) {
	text, err := operandOf(fs, args, what)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, usage(fmt.Sprintf("%q is no number of an entry", text), "quotary policy history and quotary policy proposals list the numbers")
	}
	return n, nil
}
