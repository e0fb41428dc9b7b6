package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"

	"github.com/quotary/quotary/evidence"
)

// Published is what the service publishes for all members of its trust domain. It does not
// change.
type Published struct {
	// Bundle is the trust domain's own.
	Bundle *spiffebundle.Bundle
	// Tainted are the roots in it that are about to be withdrawn, by the SHA-256 of their DER.
	Tainted []evidence.Digest
	// Federated are the bundles of other trust domains, as each published it, sorted by trust
	// domain. They are never merged.
	Federated []*spiffebundle.Bundle
	// Lists are the revocation lists of all CAs in the bundle, roots included, in PEM; nil where
	// nobody knows.
	Lists []byte
}

// refreshUntil looks for what is published, as often as the bundle itself asks for, and when
// there is news, until ctx ends. Without an answer what is at hand stays.
func (a *Agent) refreshUntil(ctx context.Context) {
	for {
		timer := time.NewTimer(a.refreshIn())
		select {
		case <-timer.C:
		case <-a.news:
			timer.Reset(rand.N(newsSpread))
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		if a.has() { // otherwise the next attestation brings what there is
			a.refresh(ctx, refreshTimeout)
		}
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

// refresh looks once.
func (a *Agent) refresh(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p, err := a.config.Refresh(ctx)
	if err != nil {
		a.config.Logger.Warn("the trust bundles could not be renewed", "cause", err.Error())
		return
	}
	a.learn(p)
}

// learn hands out what is published with the identity. If the certificate's root is gone or
// about to go, the agent attests soon: nobody believes the certificate any more, or will.
func (a *Agent) learn(p *Published) {
	a.mu.Lock()
	a.published = p
	a.mu.Unlock()
	var now *Identity
	a.amend(func(i *Identity) bool {
		now = i
		newer := p.Bundle.TrustDomain() == i.ID.TrustDomain() && Newer(p.Bundle, i.Bundle)
		if !newer && slices.EqualFunc(p.Federated, i.Federated, (*spiffebundle.Bundle).Equal) && bytes.Equal(p.Lists, i.ListFile) {
			return false
		}
		if i.Federated, i.ListFile = p.Federated, p.Lists; newer {
			i.Bundle = p.Bundle
		}
		return true
	})
	switch {
	case now == nil:
	case !now.verifiesUnder(now.Bundle, a.wall()):
		a.config.Logger.Warn("the identity's authority is not in the trust bundle any more; attesting at once")
		a.soon(urgentSpread)
	case now.Bundle.Equal(p.Bundle) && now.below(p.Tainted, a.wall()):
		a.config.Logger.Warn("the identity's authority is tainted; attesting soon")
		a.soon(taintSpread)
	}
}

// dress puts what belongs to every identity to one that was granted. Its bundle may be from before
// the last look: then it is overtaken, and who replaced it may have withdrawn its authority. The
// caller has the lock.
func (a *Agent) dress(i Identity) (dressed *Identity, overtaken bool) {
	i.Lists = a.lists
	if p := a.published; p != nil {
		i.Federated, i.ListFile = p.Federated, p.Lists
		if overtaken = p.Bundle.TrustDomain() == i.ID.TrustDomain() && Newer(p.Bundle, i.Bundle) && !Newer(i.Bundle, p.Bundle); overtaken {
			i.Bundle = p.Bundle
		}
	}
	return &i, overtaken
}

// look has somebody look for what is published soon.
func (a *Agent) look() {
	select {
	case a.news <- struct{}{}:
	default: // somebody will
	}
}

// below reports whether the certificate is below one of these roots.
func (i *Identity) below(roots []evidence.Digest, at time.Time) bool {
	tainted := slices.DeleteFunc(i.Bundle.X509Authorities(), func(root *x509.Certificate) bool {
		return !slices.Contains(roots, evidence.Digest(sha256.Sum256(root.Raw)))
	})
	return i.verifiesUnder(spiffebundle.FromX509Authorities(i.ID.TrustDomain(), tainted), at)
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
