package agent

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
)

// refreshUntil looks for a newer trust bundle, as often as the bundle itself asks for,
// until ctx ends. Without an answer the bundle at hand stays.
func (a *Agent) refreshUntil(ctx context.Context) {
	for {
		timer := time.NewTimer(a.refreshIn())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if view, _ := a.Current(); view.Identity == nil {
			continue // the next attestation brings a bundle
		}
		one, cancel := context.WithTimeout(ctx, refreshTimeout)
		bundle, err := a.config.Refresh(one)
		cancel()
		if err != nil {
			a.config.Logger.Warn("the trust bundle could not be renewed", "cause", err.Error())
			continue
		}
		a.rebundle(bundle)
	}
}

// refreshIn is how long to wait: the bundle's hint, less a random fifth, so that agents
// that started together do not ask together.
func (a *Agent) refreshIn() time.Duration {
	hint := defaultRefresh
	if view, _ := a.Current(); view.Identity != nil {
		if wanted, ok := view.Identity.Bundle.RefreshHint(); ok {
			hint = min(max(wanted, minRefresh), maxRefresh)
		}
	}
	return hint - rand.N(hint/5)
}

// rebundle hands out a newer bundle with the identity. If its certificate does not verify
// under that, its authority was withdrawn, and the agent attests at once.
func (a *Agent) rebundle(bundle *spiffebundle.Bundle) {
	var changed *Identity
	a.publish(func(v *View) {
		if v.Identity == nil || bundle.TrustDomain() != v.Identity.ID.TrustDomain() || !Newer(bundle, v.Identity.Bundle) {
			return
		}
		identity := *v.Identity
		identity.Bundle = bundle
		v.Identity, changed = &identity, &identity
	})
	if changed == nil {
		return
	}
	a.config.Logger.Info("the trust bundle changed", "authorities", len(bundle.X509Authorities()))
	if !changed.verifiesUnder(bundle, a.wall()) {
		a.config.Logger.Warn("the identity's authority is not in the new trust bundle; attesting now")
		a.Hurry()
	}
}

// Newer reports whether a bundle differs from the one at hand and is not an older one, as
// far as they are numbered (SPIFFE Trust Domain and Bundle §4.1.1).
func Newer(bundle, held *spiffebundle.Bundle) bool {
	if bundle.Equal(held) {
		return false
	}
	next, numbered := bundle.SequenceNumber()
	now, was := held.SequenceNumber()
	return !numbered || !was || next >= now
}
