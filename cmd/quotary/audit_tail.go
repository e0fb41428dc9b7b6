package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quotary/quotary/client/admin"
)

const auditTailHelp = `usage: quotary audit tail [--follow] [FLAG]…

Show the newest events of the audit trail, the oldest of them first.

which:
  --follow               go on with what comes after them, until interrupted. That this
                         command asks is an event, too; these (admin.audit) are left
                         out of what follows, unless --action asks for them
  --after N              those after event N, instead of the newest
  --action ACTION        attestation, appraisal, enrolment, admin.whoami, …
  --outcome OUTCOME      issued, refused, undecided or done
  --actor ACTOR          such as admin:certificate:alice
  --attestation ID       about this attestation
  --since TIME           of this time (RFC 3339) or later
  --limit N              at most as many; 20 by default, and with --after 1000

` + adminHelp + `                         With --follow, JSON has one event a line, and YAML a document
                         for each.
` + adminExits + `
examples:
  quotary audit tail --follow --outcome refused
  quotary audit tail --after 1200 -o json | jq '.events[] | select(.code)'
`

// ownAction is what the trail calls a look at it.
const ownAction = "admin.audit"

// tailOptions are audit tail's flags.
type tailOptions struct {
	adminFlags
	filter admin.EventFilter
	follow bool
	after  int64
	since  instant
	limit  int
}

func auditTail(s streams, args []string) (exit, error) {
	o := &tailOptions{after: -1}
	flags := flagSet("audit tail")
	o.register(flags)
	flags.BoolVar(&o.follow, "follow", false, "")
	flags.Func("after", "", func(text string) (err error) {
		if o.after, err = strconv.ParseInt(text, 10, 64); err != nil || o.after < 0 {
			return errors.New("not the number of an event")
		}
		return nil
	})
	flags.StringVar(&o.filter.Action, "action", "", "")
	flags.StringVar(&o.filter.Outcome, "outcome", "", "")
	flags.StringVar(&o.filter.Actor, "actor", "", "")
	flags.StringVar(&o.filter.AttestationID, "attestation", "", "")
	flags.Var(&o.since, "since", "")
	registerLimit(flags, &o.limit, 0)
	if err := parseWithout(flags, args); err != nil {
		return exitFailed, err
	}
	if err := o.complete(); err != nil {
		return exitFailed, err
	}
	o.endless = o.follow
	return o.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		ticker := time.NewTicker(followEvery)
		defer ticker.Stop()
		return o.tail(ctx, s, c, ticker.C)
	})
}

func (o *tailOptions) complete() error {
	o.filter.Since = o.since.Time
	switch {
	case o.filter.Outcome != "" && !slices.Contains([]string{"issued", "refused", "undecided", "done"}, o.filter.Outcome):
		return usage(fmt.Sprintf("--outcome %q is none", o.filter.Outcome), "use issued, refused, undecided or done")
	case o.after < 0 && o.limit > admin.MaxPage:
		return usage(fmt.Sprintf("--limit is at most %d without --after", admin.MaxPage), "see all events from the first on with --after 0")
	case o.limit == 0 && o.after < 0:
		o.limit = 20
	case o.limit == 0:
		o.limit = 1000
	}
	return nil
}

// tail shows the events that are wanted, and follows them at each tick.
func (o *tailOptions) tail(ctx context.Context, s streams, c *admin.Client, tick <-chan time.Time) error {
	events, next, err := o.first(ctx, c)
	if err != nil {
		return err
	}
	if !o.follow {
		return o.show(s, events, next)
	}
	for {
		for _, e := range events {
			if err := o.showOne(s, e); err != nil {
				return err
			}
		}
		if err := s.flush(); err != nil {
			return err
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return nil // the user has seen enough
		}
		events, next, err = o.page(ctx, c, next, admin.MaxPage)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if o.filter.Action == "" {
			events = slices.DeleteFunc(events, func(e admin.Event) bool { return e.Action == ownAction })
		}
	}
}

// first returns what there is, page by page where it is asked for from an event on,
// and behind which event to go on.
func (o *tailOptions) first(ctx context.Context, c *admin.Client) (events []admin.Event, next int64, err error) {
	if o.after < 0 {
		f := o.filter
		f.Limit = o.limit
		page, err := c.Events(ctx, f)
		if err != nil {
			return nil, 0, err
		}
		return page.Events, page.Next(), nil
	}
	for next = o.after; len(events) < o.limit; {
		page, behind, err := o.page(ctx, c, next, min(o.limit-len(events), admin.MaxPage))
		if err != nil {
			return nil, 0, err
		}
		events, next = append(events, page...), behind
		if len(page) == 0 {
			break
		}
	}
	return events, next, nil
}

// page returns the events behind one, and behind which to go on.
func (o *tailOptions) page(ctx context.Context, c *admin.Client, after int64, limit int) ([]admin.Event, int64, error) {
	f := o.filter
	f.AfterSeq, f.Limit = &after, limit
	page, err := c.Events(ctx, f)
	if err != nil {
		return nil, 0, err
	}
	return page.Events, max(after, page.Next()), nil
}

// show writes events as one answer.
func (o *tailOptions) show(s streams, events []admin.Event, next int64) error {
	if events == nil {
		events = []admin.Event{}
	}
	return writeValue(s, o.output.value, admin.Events{Events: events, LastSeq: next}, func() error {
		for _, e := range events {
			writeEvent(s, e)
		}
		return nil
	})
}

// showOne writes an event of those that are followed.
func (o *tailOptions) showOne(s streams, e admin.Event) error {
	switch o.output.value {
	case "json":
		text, err := encodeLine(e)
		s.out.WriteString(text)
		return err
	case "yaml":
		s.out.WriteString("---\n")
		return showYAML(s, e)
	}
	writeEvent(s, e)
	return nil
}

// writeEvent writes an event as a line, in columns that need no other line to know
// their width.
func writeEvent(s streams, e admin.Event) {
	look := none
	switch e.Outcome {
	case "refused":
		look = red
	case "undecided":
		look = yellow
	case "issued":
		look = green
	}
	outcome := fmt.Sprintf("%-9s", printable(e.Outcome))
	line := fmt.Sprintf("%6d  %s  %s  %-18s  %s", e.Seq, stamp(e.Time), s.terminal.paint(look, outcome), printable(e.Action), printable(e.Actor))
	for _, more := range []string{e.Code, e.AttestationID, whatChanged(e)} {
		if more != "" {
			line += "  " + printable(more)
		}
	}
	fmt.Fprintln(s.out, line)
}

// whatChanged says what an administrator's event did beside being recorded, or that it did
// nothing: a change that was only tried has the name of one that was made.
func whatChanged(e admin.Event) string {
	var detail struct {
		DryRun bool `json:"dry_run"`
	}
	_ = json.Unmarshal(e.Detail, &detail) // a detail of another build may be otherwise
	var told []string
	if detail.DryRun {
		told = append(told, "dry run")
	}
	if e.Proposal != 0 {
		told = append(told, fmt.Sprintf("proposal %d", e.Proposal))
	}
	if len(e.PolicySet) > 0 {
		told = append(told, "in force")
	}
	if e.Shadow {
		told = append(told, "shadow")
	}
	return strings.Join(told, ", ")
}

// newEncoder encodes JSON without the escapes that only web pages need.
func newEncoder(w io.Writer) *json.Encoder {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder
}
