package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
)

// listHelp explains the flags of listFlags.
const listHelp = `which:
  --live                 only what has not ended
  --workload NAME        of this workload
  --spiffe-id ID         for this identity
  --kind KIND            on evidence of this kind: sev-snp, tdx or tpm
  --policy DIGEST        by the policy set of this digest
  --simulated BOOL       on simulated evidence (true), or without any (false)
  --since TIME           issued at this time (RFC 3339) or later
  --until TIME           issued before this time
  --limit N              at most as many, the newest; 100 by default

`

const attestationsHelp = `usage: quotary attestations list [FLAG]…
       quotary attestations show [FLAG]… ATTESTATION

Look at what the service issued: certificates, tokens and answers to background checks.

subcommands:
  list  the newest attestations
  show  one of them, with what its evidence claimed

Each has its own: quotary attestations list --help
`

const attestationsListHelp = `usage: quotary attestations list [FLAG]…

List accepted attestations, the newest first.

` + listHelp + adminHelp + adminExits + `
examples:
  quotary attestations list --live --workload web
  quotary attestations list --since 2026-11-01T00:00:00Z -o json | jq -r '.attestations[].spiffe_id'
`

const attestationsShowHelp = `usage: quotary attestations show [FLAG]… ATTESTATION

Show one attestation, with what its evidence claimed. ATTESTATION is the identifier
that the list shows, and that the service gave whoever attested.

` + adminHelp + adminExits + `
examples:
  quotary attestations show 01JD3V7M2Q
  quotary attestations show -o json 01JD3V7M2Q | jq .claims
`

func attestationsCommands() []command {
	return []command{
		{"list", "the newest attestations", attestationsListHelp, attestationsList},
		{"show", "one attestation with its claims", attestationsShowHelp, attestationsShow},
	}
}

func attestationsCommand(s streams, args []string) (exit, error) {
	return subcommand(s, "attestations", attestationsCommands(), args)
}

// listFlags say which rows of a list are wanted.
type listFlags struct {
	filter       admin.Filter
	simulated    choice
	kind         string
	since, until instant
	limit        int
}

func (f *listFlags) register(fs *flag.FlagSet) {
	f.simulated.words = []string{"true", "false"}
	fs.BoolVar(&f.filter.Live, "live", false, "")
	fs.StringVar(&f.filter.Workload, "workload", "", "")
	fs.StringVar(&f.filter.SPIFFEID, "spiffe-id", "", "")
	fs.StringVar(&f.kind, "kind", "", "")
	fs.StringVar(&f.filter.PolicyDigest, "policy", "", "")
	fs.Var(&f.simulated, "simulated", "")
	fs.Var(&f.since, "since", "")
	fs.Var(&f.until, "until", "")
	registerLimit(fs, &f.limit, 100)
}

// operandOf returns the one operand of a command.
func operandOf(fs *flag.FlagSet, args []string, what string) (string, error) {
	operands, err := parse(fs, args)
	if err == nil && len(operands) != 1 {
		err = usage(fmt.Sprintf("%s takes one %s, and %d are given", fs.Name(), what, len(operands)), "try: quotary "+fs.Name()+" --help")
	}
	if err != nil {
		return "", err
	}
	return operands[0], nil
}

// registerLimit defines --limit.
func registerLimit(fs *flag.FlagSet, limit *int, usual int) {
	*limit = usual
	fs.Func("limit", "", func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxListed {
			return fmt.Errorf("not a number from 1 to %d", maxListed)
		}
		*limit = n
		return nil
	})
}

// complete checks the flags.
func (f *listFlags) complete() error {
	f.filter.Since, f.filter.Until = f.since.Time, f.until.Time
	if f.simulated.value != "" {
		simulated := f.simulated.value == "true"
		f.filter.Simulated = &simulated
	}
	if f.kind != "" {
		f.filter.Kind = evidence.Kind(f.kind)
		if !slices.Contains(evidence.Kinds(), f.filter.Kind) {
			return usage(fmt.Sprintf("--kind %q is no kind of evidence", f.kind), "use sev-snp, tdx or tpm")
		}
	}
	if f.since.given && f.until.given && f.until.Before(f.since.Time) {
		return usage("--until lies before --since", "give an earlier --since")
	}
	return nil
}

// errCut means that there are more rows than were wanted.
var errCut = errors.New("there is more")

// gather takes the first rows of a list. The error is errCut if there are more.
func gather[T any](rows iter.Seq2[T, error], most int) ([]T, error) {
	list := []T{}
	for r, err := range rows {
		if err != nil {
			return nil, err
		}
		if len(list) == most {
			return list, errCut
		}
		list = append(list, r)
	}
	return list, nil
}

// noteCut tells people that there is more.
func noteCut(s streams, err error, limit int) error {
	if errors.Is(err, errCut) {
		s.note("there are more than %d; see the others with a higher --limit", limit)
		return nil
	}
	return err
}

func attestationsList(s streams, args []string) (exit, error) {
	return listIssued(s, args, "attestations list", "attestations", (*admin.Client).Attestations, showAttestations)
}

// listIssued is a command that lists what the service issued: query asks for it,
// show tells people of it, and programs find it in member.
func listIssued(s streams, args []string, command, member string,
	query func(*admin.Client, context.Context, admin.Filter, int) iter.Seq2[admin.Attestation, error],
	show func(streams, []admin.Attestation, time.Time),
) (exit, error) {
	var f adminFlags
	var which listFlags
	flags := flagSet(command)
	f.register(flags)
	which.register(flags)
	if err := parseWithout(flags, args); err != nil {
		return exitFailed, err
	}
	if err := which.complete(); err != nil {
		return exitFailed, err
	}
	return f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		list, err := gather(query(c, ctx, which.filter, which.limit+1), which.limit)
		if err := noteCut(s, err, which.limit); err != nil {
			return err
		}
		return writeValue(s, f.output.value, map[string]any{member: list}, func() error {
			show(s, list, time.Now())
			return nil
		})
	})
}

func showAttestations(s streams, list []admin.Attestation, now time.Time) {
	if len(list) == 0 {
		fmt.Fprintln(s.out, "none")
		return
	}
	t := newTable(column{"ATTESTATION", true}, column{"ISSUED", true}, column{"FOR", true}, column{"WORKLOAD", false},
		column{"IDENTITY", false}, column{"KINDS", false}, column{"ENDS", true})
	for _, a := range list {
		t.add(a.AttestationID, stamp(a.IssuedAt), a.Purpose, a.Workload, a.SPIFFEID, kindsOf(a), endOf(a, now))
	}
	t.write(s)
}

func kindsOf(a admin.Attestation) cell {
	var kinds []string
	for _, kind := range a.Kinds {
		kinds = append(kinds, string(kind))
	}
	if a.Simulated {
		return cell{"SIMULATED " + strings.Join(kinds, "+"), yellow}
	}
	return cell{text: strings.Join(kinds, "+")}
}

// endOf says whether what was issued still counts.
func endOf(a admin.Attestation, now time.Time) cell {
	if !a.RevokedAt.IsZero() {
		return cell{"revoked " + rough(now.Sub(a.RevokedAt)) + " ago", red}
	}
	if !a.NotAfter.After(now) {
		return cell{"ended " + rough(now.Sub(a.NotAfter)) + " ago", red}
	}
	return cell{"in " + rough(a.NotAfter.Sub(now)), green}
}

func attestationsShow(s streams, args []string) (exit, error) {
	var f adminFlags
	flags := flagSet("attestations show")
	f.register(flags)
	id, err := operandOf(flags, args, "ATTESTATION")
	if err != nil {
		return exitFailed, err
	}
	return f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		a, err := c.Attestation(ctx, id)
		if err != nil {
			return err
		}
		return writeValue(s, f.output.value, a, func() error { return showAttestation(s, a) })
	})
}

func showAttestation(s streams, a *admin.Attestation) error {
	simulated := ""
	if a.Simulated {
		simulated = "yes: it says nothing of real hardware"
	}
	s.fields(row{"attestation", a.AttestationID}, row{"for", a.Purpose}, row{"workload", a.Workload}, row{"identity", a.SPIFFEID},
		row{"kinds", strings.TrimPrefix(kindsOf(*a).text, "SIMULATED ")}, row{"simulated", simulated}, row{"issued", stamp(a.IssuedAt)}, row{"from", stamp(a.NotBefore)},
		row{"until", stamp(a.NotAfter)}, row{"revoked", stamp(a.RevokedAt)}, row{"policy", a.PolicyDigest}, row{"certificate", a.Serial}, row{"token", a.TokenID})
	if len(a.Claims) == 0 {
		return nil
	}
	var claims []evidence.Claims
	if json.Unmarshal(a.Claims, &claims) == nil {
		for _, c := range claims {
			fmt.Fprintf(s.out, "\n%s claims:\n", printable(string(c.Kind)))
			s.fields(summarise(&c)...)
		}
		return nil
	}
	fmt.Fprintln(s.out, "\nclaims:") // a newer service's
	return showYAML(s, a.Claims)
}
