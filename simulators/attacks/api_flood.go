package attacks

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/quotary/quotary/evidence"
)

// floodRows keep the service busy, and look whether an honest machine is served.
func floodRows() []Row {
	flood := func(id, title, name string, n int, one func(ctx context.Context, a *Attacker, i int) error) Row {
		return Row{id, title, []Case{{
			Name: name, Subject: snpPlain, Proof: ByAcceptance, Why: "an honest machine is served all the same", Alone: true,
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				group, within := errgroup.WithContext(ctx)
				group.SetLimit(maxAtOnce)
				for i := range n {
					group.Go(func() error { return one(within, a, i) })
				}
				if err := group.Wait(); err != nil {
					return Got{}, err
				}
				return a.Honest(ctx)
			},
		}}}
	}
	return []Row{
		flood("D05", "panic in a technology", "evidence of zeros in many sizes", 64, func(ctx context.Context, a *Attacker, i int) error {
			return a.refusedGarbage(ctx, garbage(i*i))
		}),
		flood("D06", "computation before cheap checks", "garbage without a challenge", 128, func(ctx context.Context, a *Attacker, _ int) error {
			answer, err := a.PostMembers(ctx, attestations, map[string]any{"challenge": "none", "evidence": garbage(1184), "public_key": ""})
			return noBetter(answer, err)
		}),
		flood("D07", "endless challenges", "five hundred", 500, func(ctx context.Context, a *Attacker, _ int) error {
			_, err := a.Challenge(ctx, evidence.PurposeCertificate)
			return err
		}),
		flood("D08", "caches filled by strangers", "reports of unknown processors", 64, strangersReport),
		flood("D25", "clients that leave", "requests that are given up", 64, func(ctx context.Context, a *Attacker, i int) error {
			ctx, cancel := context.WithCancel(ctx)
			body := &leaving{rest: strings.Repeat(" ", 4096), cancel: cancel}
			_, _ = a.Do(ctx, http.MethodPost, attestations, http.Header{"Content-Type": {"application/json"}}, body)
			return nil // it must fail
		}),
	}
}

// refusedGarbage sends something as evidence, which must be refused as any other.
func (a *Attacker) refusedGarbage(ctx context.Context, sent string) error {
	c, err := a.Challenge(ctx, evidence.PurposeCertificate)
	if err != nil {
		return err
	}
	members, _, err := a.answer(ctx, Attempt{}, c)
	if err != nil {
		return err
	}
	members["evidence"] = sent
	return noBetter(a.PostMembers(ctx, attestations, members))
}

// noBetter reports an answer that is anything else than a proper refusal.
func noBetter(answer Answer, err error) error {
	if err != nil {
		return err
	}
	if got := answer.Got(nil); got.Accepted || len(got.Faults) > 0 {
		return fmt.Errorf("garbage is answered with status %d, %v", got.Status, got.Faults)
	}
	return nil
}

// strangersReport attests with the report of a processor that its maker does not know.
func strangersReport(ctx context.Context, a *Attacker, i int) error {
	m, err := a.snpMachine()
	if err != nil {
		return err
	}
	answer, _, err := a.Attempt(ctx, Attempt{Evidence: func(_ context.Context, b evidence.Binding) (evidence.Bundle, error) {
		m.Template.ChipID[1], m.Template.ChipID[2] = byte(i), 0xee
		item, err := m.Item(b)
		if err != nil {
			return nil, err
		}
		item.Certificates = nil
		return evidence.NewBundle(item)
	}})
	return noBetter(answer, err)
}

// leaving is the body of a client that goes away when half of it was read.
type leaving struct {
	rest   string
	cancel context.CancelFunc
}

func (l *leaving) Read(p []byte) (int, error) {
	if l.rest == "" {
		l.cancel()
		return 0, context.Canceled
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}
