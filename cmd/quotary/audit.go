package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
)

const auditHelp = `usage: quotary audit tail [FLAG]…
       quotary audit verify [--contains EVENTS:HASH]…

Look at the audit trail: every issuance, refusal and administrator's act is an event
in a chain of hashes.

subcommands:
  tail    the newest events, and what comes after them
  verify  whether the chain holds, and contains what it did

Each has its own: quotary audit tail --help
`

func auditCommands() []command {
	return []command{
		{"tail", "the newest events", auditTailHelp, auditTail},
		{"verify", "whether the chain holds", auditVerifyHelp, auditVerify},
	}
}

func auditCommand(s streams, args []string) (exit, error) {
	return subcommand(s, "audit", auditCommands(), args)
}

const auditVerifyHelp = `usage: quotary audit verify [--contains EVENTS:HASH]… [FLAG]…

Have the service walk its audit chain: a changed, removed or inserted event does not
fit. That the chain's end was cut off, or all of it written anew, is seen only by an
earlier head: keep the one that this command prints where the service's operator
cannot change it, and give it the next time.

That the chain holds is the service's word; quotaryd audit walks a copy of the ledger
without it. That the trail has the heads that you give is checked here.

  --contains EVENTS:HASH  an earlier head; repeatable

` + adminHelp + `
exit codes: 0 the chain holds, 2 it does not, or the service refuses; 1 everything else
that went wrong: nothing is known

examples:
  quotary audit verify --contains 1234:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9
  quotary audit verify -o json | jq -r '"\(.head.events):\(.head.hash)"' >> heads
`

// heads is a flag of earlier ends of the audit chain.
type heads []admin.Head

func (h *heads) String() string { return "" }

func (h *heads) Set(text string) error {
	number, digest, ok := strings.Cut(text, ":")
	events, err := strconv.ParseInt(number, 10, 64)
	hash, err2 := hex.DecodeString(digest)
	if !ok || err != nil || err2 != nil || events < 1 || len(hash) != 32 {
		return errors.New("not EVENTS:HASH, a number and 64 hex digits")
	}
	*h = append(*h, admin.Head{Events: events, Hash: hash})
	return nil
}

// verification is audit verify's answer.
type verification struct {
	admin.Verification
	// Contained are the earlier heads that the trail was seen to have.
	Contained []admin.Head `json:"contained"`
}

func auditVerify(s streams, args []string) (exit, error) {
	var f adminFlags
	var earlier heads
	flags := flagSet("audit verify")
	f.register(flags)
	flags.Var(&earlier, "contains", "")
	if err := parseWithout(flags, args); err != nil {
		return exitFailed, err
	}
	return f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		found, err := c.VerifyAudit(ctx, earlier...)
		if err != nil {
			return withHint(err, "stop trusting what the ledger says, keep a copy, and look at it: quotaryd audit --data DIR")
		}
		for _, head := range earlier {
			if err := sameEvent(ctx, c, head); err != nil {
				return err
			}
		}
		v := verification{*found, append([]admin.Head{}, earlier...)}
		return writeValue(s, f.output.value, v, func() error {
			fmt.Fprintf(s.out, "%s: the service walked its audit chain, and it holds\n\n", s.terminal.paint(green, "WHOLE"))
			contained := ""
			if n := len(earlier); n > 0 {
				contained = fmt.Sprintf("%d, seen in the trail", n)
			}
			s.fields(row{"events", fmt.Sprint(v.Events)}, row{"issuances", fmt.Sprint(v.Issuances)}, row{"earlier heads", contained},
				row{"head", headText(v.Head)})
			fmt.Fprintf(s.out, "\nnext:\n  keep the head elsewhere, and give it the next time: quotary audit verify --contains %s\n", headText(v.Head))
			return nil
		})
	})
}

func headText(h admin.Head) string { return fmt.Sprintf("%d:%s", h.Events, h.Hash) }

// sameEvent looks whether the trail has an earlier head.
func sameEvent(ctx context.Context, c *admin.Client, head admin.Head) error {
	after := head.Events - 1
	page, err := c.Events(ctx, admin.EventFilter{AfterSeq: &after, Limit: 1})
	if err != nil {
		return err
	}
	if len(page.Events) == 0 || page.Events[0].Seq != head.Events || !slices.Equal(page.Events[0].Hash, head.Hash) {
		return evidence.Errorf(evidence.CodeLedgerTampered, "", "the service says that its chain holds, and its trail does not have the event %s", headText(head))
	}
	return nil
}

// encodeLine is a value as JSON in one line.
func encodeLine(value any) (string, error) {
	var encoded, safe bytes.Buffer
	if err := newEncoder(&encoded).Encode(value); err != nil {
		return "", err
	}
	writeEscaped(&safe, encoded.String())
	return safe.String(), nil
}
