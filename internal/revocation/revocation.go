// Package revocation publishes which certificates count no more: the revocation lists
// (CRLs, RFC 5280 §5) of the trust domain's issuing CAs, and answers about single certificates
// (OCSP, RFC 6960). Lists are signed ahead of their use, when something was revoked and in good time
// before they end, never on request; answers by a key that the CAs delegated that to.
//
// Start at [New], [Publisher.Renew] and [Publisher.Answer].
package revocation

import (
	"context"
	"errors"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
)

// Ledger has what was revoked: a *store.Store.
type Ledger interface {
	RevocationList(ctx context.Context, at time.Time) (list []store.RevokedSerial, last int64, err error)
	CertificateStatus(ctx context.Context, serial string) (issued bool, revoked time.Time, err error)
}

// Authority signs: a *ca.Authority.
type Authority interface {
	RevocationLists(revoked []ca.Revocation, sequence int64) (*ca.RevocationLists, error)
	Responder() (*ca.Responder, error)
	ListBasis() string
}

// Publisher has the lists of now. It is safe for concurrent use.
type Publisher struct {
	ledger    Ledger
	authority Authority
	now       func() time.Time

	current   atomic.Pointer[edition]
	responder atomic.Pointer[ca.Responder]
	mu        sync.Mutex // one renewal at a time; guards what follows
	basis     string     // of the lists that were signed last
	stale     bool       // others could not be signed since
	delegated string     // the basis of the responder that was made last
}

// edition is what is published until the next one is.
type edition struct {
	lists *ca.RevocationLists
	over  chan struct{} // closed when it is
}

// New returns a Publisher with lists signed now. now is the clock.
func New(ctx context.Context, ledger Ledger, authority Authority, now func() time.Time) (*Publisher, error) {
	p := &Publisher{ledger: ledger, authority: authority, now: now}
	return p, p.Renew(ctx)
}

// Lists returns the lists as they were last signed.
func (p *Publisher) Lists() *ca.RevocationLists { return p.current.Load().lists }

// Changed returns a channel that is closed when the lists of now are signed anew.
func (p *Publisher) Changed() <-chan struct{} { return p.current.Load().over }

// Renew signs lists of what is revoked by now. If that fails the lists stay as they are, and
// [Publisher.Keep] tries again.
func (p *Publisher) Renew(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	basis := p.authority.ListBasis()
	return errors.Join(p.renewLists(ctx, basis), p.renewResponder(basis))
}

// Keep signs lists anew if it is time, if the authorities or the lists of roots changed, or if that failed before,
// and makes a responder likewise. Neither waits for the other: answers go on where lists cannot be
// signed, and nobody is woken by lists because a responder cannot be made.
func (p *Publisher) Keep(ctx context.Context) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	basis := p.authority.ListBasis()
	if p.stale || basis != p.basis || p.old(p.Lists().ThisUpdate) {
		err = p.renewLists(ctx, basis)
	}
	return errors.Join(err, p.renewResponder(basis))
}

// old reports whether what was made then is to be made anew, which it is as well after the clock
// was put back.
func (p *Publisher) old(since time.Time) bool {
	age := p.now().Sub(since)
	return age < 0 || age >= renewAfter
}

func (p *Publisher) renewLists(ctx context.Context, basis string) error {
	p.stale = true
	serials, last, err := p.ledger.RevocationList(ctx, p.now())
	if err != nil {
		return err
	}
	revoked := make([]ca.Revocation, len(serials))
	for i, s := range serials {
		serial, ok := new(big.Int).SetString(s.Serial, 16)
		if !ok {
			return evidence.Errorf(evidence.CodeLedgerTampered, "", "the serial number of a revoked certificate is no number")
		}
		revoked[i] = ca.Revocation{Serial: serial, Time: s.Time}
	}
	lists, err := p.authority.RevocationLists(revoked, last)
	if err != nil {
		return err
	}
	if last := p.current.Swap(&edition{lists, make(chan struct{})}); last != nil {
		close(last.over)
	}
	p.basis, p.stale = basis, false
	return nil
}
