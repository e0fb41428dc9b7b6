package continuous

import (
	"context"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
)

// walking is a sweep that is under way.
type walking struct {
	*Sweeper
	want
	found       Sweep
	began       time.Time // by the process's clock
	unpublished bool
	published   time.Time           // when lists were signed last
	reported    map[group]*examples // in a report: what would be revoked
}

// examples are attestations that something holds of.
type examples struct {
	count int
	ids   []string
}

// sweep looks at live identities, and revokes those that no longer pass, or reports them.
// It ends at the first failure: what it revoked until then stays revoked.
func (s *Sweeper) sweep(ctx context.Context, w want) error {
	k := &walking{Sweeper: s, want: w, found: Sweep{At: s.Now(), Triggers: w.triggers}, began: time.Now(), reported: map[group]*examples{}}
	err := k.walk(ctx)
	if k.unpublished {
		k.publish(ctx)
	}
	if err == nil {
		err = k.report(ctx)
	}
	k.found.Took = time.Since(k.began)
	s.finish(k.found, w.since.IsZero(), err)
	return err
}

// walk goes through the live certificates, the newest first.
func (k *walking) walk(ctx context.Context) error {
	f := store.IssuanceFilter{EndsAfter: k.found.At, Since: k.since, Certified: true, Unrevoked: true, Claims: true, Limit: page}
	for {
		began := time.Now()
		list, next, err := k.Ledger.Issuances(ctx, f)
		if err != nil {
			return err
		}
		against := map[group][]string{}
		for i := range list {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			k.look(&list[i], against)
		}
		for why, ids := range against {
			if err := k.take(ctx, why, ids); err != nil {
				return err
			}
		}
		if k.unpublished && time.Since(k.published) >= publishEvery {
			k.publish(ctx)
		}
		if next == nil {
			return nil
		}
		f.Before = next
		rest(ctx, began)
	}
}

// look judges one identity.
func (k *walking) look(i *store.Issuance, against map[group][]string) {
	k.found.Reviewed++
	switch found := k.judge(i); {
	case found.against:
		against[found.group] = append(against[found.group], i.AttestationID)
	case found.unknown:
		k.found.Unknown++
	}
}

// take revokes what no longer passes, or keeps it for the report.
func (k *walking) take(ctx context.Context, why group, ids []string) error {
	if k.Mode == Report {
		k.keep(why, ids)
		return nil
	}
	event, err := k.event(actionRevoke, why, nil)
	if err != nil {
		return err
	}
	count, _, err := k.Ledger.Revoke(ctx, event, ids)
	if evidence.CodeOf(err) == evidence.CodeRevocationNone {
		return nil // others did meanwhile, or they ended
	}
	if err != nil {
		return err
	}
	k.unpublished = true
	k.found.Revoked += count
	k.count(why.cause, count)
	k.Logger.Warn("revoked what no longer passes", "certificates", count, "workload", why.workload, "reason", why.reason(), "triggers", k.triggers)
	return nil
}

// publish has what was revoked on the lists. If that fails, the publisher tries again.
func (k *walking) publish(ctx context.Context) {
	if err := k.Publisher.Renew(context.WithoutCancel(ctx)); err != nil {
		k.Logger.Error("what was revoked is on record, but not on the revocation lists yet; this is tried again", "cause", err, "code", evidence.CodeOf(err).String())
	}
	k.unpublished, k.published = false, time.Now()
}
