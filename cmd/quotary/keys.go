package main

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
)

const attestationKeysHelp = `usage: quotary keys list [FLAG]…
       quotary keys show [FLAG]… KEY
       quotary keys revoke [FLAG]… --reason TEXT KEY
       quotary keys release [FLAG]… --reason TEXT KEY

Look after the attestation keys of TPMs that the service knows.

subcommands:
  list     the keys that changed last
  show     one of them
  revoke   have a key count no more, for good
  release  free a key from its TPM, so that the TPM may enrol another

Each has its own: quotary keys list --help
`

const keysListHelp = `usage: quotary keys list [FLAG]…

List attestation keys, those first that attested or were changed last. A key is active,
superseded (its TPM enrolled another), released or revoked (by an administrator).

which:
  --status active|superseded|released|revoked
                         with this status
  --ek SHA256            of the TPM with this endorsement key: quotary tpm ek prints it
  --limit N              at most as many; 100 by default

` + adminHelp + adminExits + `
examples:
  quotary keys list --status revoked
  quotary keys list --ek 3f79bb7b… -o json | jq -r '.keys[].ak'
`

const keysShowHelp = `usage: quotary keys show [FLAG]… KEY

Show what the service knows of an attestation key. KEY is the SHA-256 of its public key
(SubjectPublicKeyInfo), as the list and quotary tpm enrol show it.

` + adminHelp + adminExits + `
examples:
  quotary keys show 2c26b46b…
`

// keyChangeHelp explains the flags of a change.
const keyChangeHelp = `change:
  --reason TEXT          why, for the audit trail; needed
  --yes                  do it. Without, nothing is changed: what would be is shown
  --base SHA256          only if the key is as it was then; a dry run says which that is.
                         By default as it is now

`

const keysRevokeHelp = `usage: quotary keys revoke [FLAG]… --reason TEXT KEY

Have an attestation key count no more, for good: the service refuses its quotes from the
next one on (tpm.ak-revoked), and no enrolment brings it back. Its TPM cannot enrol another
key either, until this one is released, too. Certificates that rest on it are revoked within
seconds, unless the service only reports (continuous_trust).

` + keyChangeHelp + adminHelp + adminExits + `
examples:
  quotary keys revoke 2c26b46b… --reason 'machine 17 is stolen'
  quotary keys revoke 2c26b46b… --reason 'machine 17 is stolen' --yes
`

const keysReleaseHelp = `usage: quotary keys release [FLAG]… --reason TEXT KEY

Free an attestation key from its TPM, so that the TPM may enrol another, also where the
service lets a TPM keep its first key only (tpm.enrolment.new_keys: refuse). A key that is
not revoked counts again once it is enrolled again, with whichever TPM.

` + keyChangeHelp + adminHelp + adminExits + `
examples:
  quotary keys release 2c26b46b… --reason 'TPM was cleared'
  quotary keys release 2c26b46b… --reason 'TPM was cleared' --yes
`

func keysCommands() []command {
	return []command{
		{"list", "the keys that changed last", keysListHelp, keysList},
		{"show", "one key", keysShowHelp, keysShow},
		{"revoke", "have a key count no more, for good", keysRevokeHelp, keysRevoke},
		{"release", "free a key from its TPM", keysReleaseHelp, keysRelease},
	}
}

func keysCommand(s streams, args []string) (exit, error) {
	return subcommand(s, "keys", keysCommands(), args)
}

// keyStatuses are those that a list can be asked for by.
var keyStatuses = []string{"active", "superseded", "released", "revoked"}

// parseKeyDigest reads the SHA-256 of a key, as other programs write it, too.
func parseKeyDigest(text string) (evidence.Hex, error) {
	plain := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(text, "sha256:"), ":", ""))
	digest, err := hex.DecodeString(plain)
	if err != nil || len(digest) != len(evidence.Digest{}) {
		return nil, usage(fmt.Sprintf("%q is no SHA-256 of a key", text), "it has 64 hex digits, as quotary keys list shows them")
	}
	return digest, nil
}

func keysList(s streams, args []string) (exit, error) {
	var f adminFlags
	var ek string
	var limit int
	status := choice{words: keyStatuses}
	flags := flagSet("keys list")
	f.register(flags)
	registerLimit(flags, &limit, 100)
	flags.Var(&status, "status", "")
	flags.StringVar(&ek, "ek", "", "")
	if err := parseWithout(flags, args); err != nil {
		return exitFailed, err
	}
	filter := admin.KeyFilter{Status: status.value}
	if ek != "" {
		var err error
		if filter.EK, err = parseKeyDigest(ek); err != nil {
			return exitFailed, err
		}
	}
	return f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		list, err := gather(c.Keys(ctx, filter, limit+1), limit)
		if err := noteCut(s, err, limit); err != nil {
			return err
		}
		return writeValue(s, f.output.value, map[string]any{"keys": list}, func() error {
			showKeys(s, list)
			return nil
		})
	})
}

func showKeys(s streams, list []admin.Key) {
	if len(list) == 0 {
		fmt.Fprintln(s.out, "none")
		return
	}
	t := newTable(column{"KEY", true}, column{"STATUS", true}, column{"CHANGED", true}, column{"BY", false}, column{"WORKLOAD", false}, column{"REASON", false})
	for _, k := range list {
		t.add(k.AK, keyStatus(k), stamp(k.ChangedAt), k.ChangedBy, k.Workload, k.Reason)
	}
	t.write(s)
}

func keyStatus(k admin.Key) cell {
	c := cell{k.Status, yellow}
	switch k.Status {
	case "active":
		c.style = green
	case "revoked":
		c.style = red
	}
	if k.Simulated {
		c.text = "SIMULATED " + c.text
	}
	return c
}

func keysShow(s streams, args []string) (exit, error) {
	var f adminFlags
	flags := flagSet("keys show")
	f.register(flags)
	ak, err := keyOperand(flags, args)
	if err != nil {
		return exitFailed, err
	}
	return f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		k, err := c.Key(ctx, ak)
		if err != nil {
			return err
		}
		return writeValue(s, f.output.value, k, func() error {
			showKey(s, k)
			return nil
		})
	})
}

func keyOperand(flags *flag.FlagSet, args []string) (evidence.Hex, error) {
	operand, err := operandOf(flags, args, "KEY")
	if err != nil {
		return nil, err
	}
	return parseKeyDigest(operand)
}

func showKey(s streams, k *admin.Key) {
	tpm := k.EK.String()
	if len(k.EK) == 0 {
		tpm = "none"
	}
	simulated := ""
	if k.Simulated {
		simulated = "yes: it says nothing of real hardware"
	}
	s.fields(row{"key", k.AK.String()}, row{"status", k.Status}, row{"simulated", simulated}, row{"endorsement key", tpm},
		row{"changed", stamp(k.ChangedAt)}, row{"by", k.ChangedBy}, row{"event", fmt.Sprintf("%d, %s", k.Event, k.Action)}, row{"reason", k.Reason},
		row{"attestation", k.AttestationID}, row{"workload", k.Workload}, row{"identity", k.SPIFFEID}, row{"granted until", stamp(k.NotAfter)},
		row{"base", k.Base.String()})
	if q := k.Quote; q != nil {
		fmt.Fprintln(s.out, "\nlast accepted quote:")
		s.fields(row{"TPM's clock", (time.Duration(q.Clock) * time.Millisecond).String()}, row{"resets", fmt.Sprint(q.Resets)},
			row{"restarts", fmt.Sprint(q.Restarts)}, row{"judged by", q.Policy})
	}
}

// keyChange is a change of a key that can be tried.
type keyChange struct {
	name    string // of the subcommand
	request func(*admin.Client, context.Context, admin.KeyChange) (*admin.ChangedKey, error)
	effects func(k *admin.Key) []string
}

func keysRevoke(s streams, args []string) (exit, error) {
	return keyChange{"revoke", (*admin.Client).RevokeKey, func(k *admin.Key) []string {
		effects := []string{"its quotes are refused from the next one on, for good"}
		if len(k.EK) > 0 && k.Status != "superseded" {
			effects = append(effects, "its TPM cannot enrol another key before this one is released: quotary keys release")
		}
		return append(effects, granted(k, "is revoked")...)
	}}.run(s, args)
}

func keysRelease(s streams, args []string) (exit, error) {
	return keyChange{"release", (*admin.Client).ReleaseKey, func(k *admin.Key) []string {
		effects := []string{"its TPM may enrol another key"}
		if k.Status == "revoked" {
			return append(effects, "the key stays revoked")
		}
		return append(append(effects, "its quotes are refused until it is enrolled again, with whichever TPM"), granted(k, "lives on")...)
	}}.run(s, args)
}

// granted says what becomes of what was issued on a key.
func granted(k *admin.Key, becomes string) []string {
	if k.SPIFFEID == "" || !k.NotAfter.After(time.Now()) {
		return nil
	}
	return []string{fmt.Sprintf("what it was granted %s: %s (until %s)", becomes, k.SPIFFEID, stamp(k.NotAfter))}
}

func (ch keyChange) run(s streams, args []string) (exit, error) {
	var f adminFlags
	var reason, base string
	flags := flagSet("keys " + ch.name)
	f.register(flags)
	flags.StringVar(&reason, "reason", "", "")
	flags.StringVar(&base, "base", "", "")
	yes := flags.Bool("yes", false, "")
	ak, err := keyOperand(flags, args)
	if err != nil {
		return exitFailed, err
	}
	if strings.TrimSpace(reason) == "" {
		return exitFailed, usage("why?", "give --reason TEXT, for the audit trail")
	}
	change := admin.KeyChange{AK: ak, Reason: reason, DryRun: !*yes}
	if base != "" {
		if change.Base, err = parseKeyDigest(base); err != nil {
			return exitFailed, err
		}
	}
	role := viewer
	if *yes {
		role = owner
	}
	return f.do(s, role, func(ctx context.Context, c *admin.Client) error {
		before, err := c.Key(ctx, ak)
		if err != nil {
			return err
		}
		change.AK = before.AK
		if change.Base == nil {
			change.Base = before.Base
		}
		result, err := ch.request(c, ctx, change)
		if err != nil {
			return err
		}
		return writeValue(s, f.output.value, result, func() error {
			ch.show(s, &f, before, result, reason)
			return nil
		})
	})
}

func (ch keyChange) show(s streams, f *adminFlags, before *admin.Key, result *admin.ChangedKey, reason string) {
	if result.Applied {
		fmt.Fprintln(s.out, s.terminal.paint(green, "DONE"))
	} else {
		fmt.Fprintf(s.out, "%s: nothing was changed\n", s.terminal.paint(bold, "DRY RUN"))
	}
	showKey(s, &result.Key)
	title := "what it would do:"
	if result.Applied {
		title = "what it does:"
	}
	fmt.Fprintln(s.out, "\n"+s.terminal.paint(bold, title))
	for _, effect := range ch.effects(before) {
		fmt.Fprintln(s.out, "  "+printable(effect))
	}
	if !result.Applied {
		showNext(s, f.next("quotary", "keys", ch.name, before.AK.String(), "--base", result.Key.Base.String(), "--reason", reason, "--yes"))
	}
}
