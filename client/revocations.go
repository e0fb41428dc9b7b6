package client

import (
	"bytes"
	"context"
	"crypto/x509"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/quotary/quotary/client/internal/exchange"
	"github.com/quotary/quotary/evidence"
)

// Revocations keeps up with the certificates that a service revokes. Connections that it
// guards ([Revocations.Server], [Revocations.Client], [Revocations.Listener]) are refused to
// who has one, and closed when theirs is revoked or ends. It is safe for concurrent use.
type Revocations struct {
	trustDomain string
	now         func() time.Time
	service     *exchange.Service

	mu       sync.Mutex
	sequence int64
	lists    map[string]*revocationList // by the key identifier of their issuer
	issuers  []*x509.Certificate        // as the service says
	heard    time.Time                  // when the service last answered
	changed  chan struct{}              // closed when lists are replaced by others
	live     map[*guarded]*x509.Certificate
}

// revocationList is a CRL, and who was seen to have signed it.
type revocationList struct {
	*x509.RevocationList
	serials map[string]bool
	issuer  *x509.Certificate // nil before
}

// NewRevocations returns Revocations that know what is revoked now. Have [Revocations.Run]
// keep it so. They know the service by c.Roots: where these are replaced, make others. The error
// is as for [Client.Attest].
func NewRevocations(ctx context.Context, c Config) (*Revocations, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	service, err := exchange.New(exchange.Config{
		URL: c.URL, TrustDomain: c.TrustDomain, Roots: c.Roots, Timeout: requestTimeout, MaxResponse: maxRevocations, Now: c.Now,
	})
	if err != nil {
		return nil, err
	}
	r := &Revocations{
		trustDomain: c.TrustDomain, now: c.Now, service: service,
		lists: map[string]*revocationList{}, changed: make(chan struct{}), live: map[*guarded]*x509.Certificate{},
	}
	if err := r.look(ctx, "/v1/revocations"); err != nil {
		service.Close()
		return nil, err
	}
	return r, nil
}

// Run follows the service until ctx ends, whose error it returns. failed, if it is not nil, hears
// why the service does not answer. What is known counts on meanwhile, until the lists end after
// a day; then all connections are refused.
func (r *Revocations) Run(ctx context.Context, failed func(error)) error {
	defer r.service.Close()
	failures := 0
	for pause := time.NewTimer(0); ; {
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
		err := r.look(ctx, "/v1/revocations?after="+strconv.FormatInt(r.Sequence(), 10))
		if failures++; err == nil {
			failures = 0
		} else if failed != nil && ctx.Err() == nil {
			failed(err)
		}
		r.closeDead()
		pause.Reset(pauseAfter(failures))
	}
}

// pauseAfter is how long to wait between two looks, after so many failures in a row: a random time,
// so that those who heard of something together do not come back together.
func pauseAfter(failures int) time.Duration {
	return lookPause/2 + rand.N(min(lookPause<<min(failures, 16), maxLookPause))
}

// Sequence returns the number of the last revocation that is known.
func (r *Revocations) Sequence() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sequence
}

// Lists returns the revocation lists of now in DER, each of another issuing CA. They are the service's
// word; who relies on one verifies it with its issuer, as [Revocations.Check] does.
func (r *Revocations) Lists() (lists [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, issuer := range slices.Sorted(maps.Keys(r.lists)) {
		lists = append(lists, r.lists[issuer].Raw)
	}
	return lists
}

// Changed returns a channel that is closed when there are other lists than now: something was revoked,
// or the authorities changed, or the lists were signed anew, which they are each hour.
func (r *Revocations) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Issuers returns the certificates of the CAs that signed the lists of now, for those who see a
// certificate without its chain. They are the service's word; who trusts one verifies it under
// the trust bundle. A service of an earlier build names none.
func (r *Revocations) Issuers() []*x509.Certificate {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.issuers
}

// Heard returns when the service last answered.
func (r *Revocations) Heard() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heard
}

// look asks the service once.
func (r *Revocations) look(ctx context.Context, path string) error {
	var answer struct {
		Sequence int64    `json:"sequence"`
		Lists    [][]byte `json:"lists"`
		Issuers  [][]byte `json:"issuers"`
	}
	if err := r.service.Call(ctx, http.MethodGet, path, nil, &answer); err != nil {
		return err
	}
	if len(answer.Lists) == 0 || len(answer.Lists) > maxLists || len(answer.Issuers) > maxLists || answer.Sequence < 0 {
		return unusable("lists", "the answer has %d revocation lists and %d issuers", len(answer.Lists), len(answer.Issuers))
	}
	var issuers []*x509.Certificate
	for _, der := range answer.Issuers {
		issuer, err := x509.ParseCertificate(der)
		if err != nil {
			return unusable("issuers", "an issuer's certificate cannot be decoded")
		}
		issuers = append(issuers, issuer)
	}
	lists := map[string]*revocationList{}
	for _, der := range answer.Lists {
		list, err := x509.ParseRevocationList(der)
		if err != nil || len(list.AuthorityKeyId) == 0 {
			return unusable("lists", "a revocation list cannot be decoded")
		}
		serials := make(map[string]bool, len(list.RevokedCertificateEntries))
		for _, e := range list.RevokedCertificateEntries {
			serials[e.SerialNumber.Text(16)] = true
		}
		lists[string(list.AuthorityKeyId)] = &revocationList{RevocationList: list, serials: serials}
	}
	r.take(lists, issuers, answer.Sequence)
	return nil
}

// take puts lists in the place of those before. The service has just said that they are those of now, whatever
// their numbers: these go by its clock, which may have been put right.
func (r *Revocations) take(lists map[string]*revocationList, issuers []*x509.Certificate, sequence int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for issuer, known := range r.lists {
		if next := lists[issuer]; next != nil && bytes.Equal(next.Raw, known.Raw) {
			lists[issuer] = known
		}
	}
	if !maps.Equal(lists, r.lists) {
		close(r.changed)
		r.changed = make(chan struct{})
	}
	r.lists, r.issuers, r.sequence, r.heard = lists, issuers, sequence, r.now()
}

// Check refuses a certificate that is revoked, whose chain, as it was verified, follows. One of
// another trust domain is none of this service's. Without a list that holds, signed by its
// issuer, a certificate is refused. The error is an *evidence.Error with CodeRevocationRevoked or
// CodeRevocationUnknown.
func (r *Revocations) Check(chain []*x509.Certificate) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.check(chain)
}

func (r *Revocations) check(chain []*x509.Certificate) error {
	unknown := func(format string, args ...any) error {
		return evidence.Errorf(evidence.CodeRevocationUnknown, "", format, args...)
	}
	if len(chain) == 0 {
		return unknown("there is no certificate")
	}
	leaf := chain[0]
	if r.isForeign(leaf) {
		return nil
	}
	list := r.lists[string(leaf.AuthorityKeyId)]
	if list == nil {
		return unknown("there is no revocation list of the certificate's issuer")
	}
	if !r.now().Before(list.NextUpdate) {
		return unknown("the revocation list ended at %s", list.NextUpdate.Format(time.RFC3339))
	}
	if err := list.signedIn(chain[1:]); err != nil {
		return unknown("the revocation list is not the issuer's: %w", err)
	}
	if list.serials[leaf.SerialNumber.Text(16)] {
		return evidence.Errorf(evidence.CodeRevocationRevoked, "", "the certificate %s is revoked", leaf.SerialNumber.Text(16))
	}
	return nil
}

// isForeign reports whether a certificate is of another trust domain.
func (r *Revocations) isForeign(leaf *x509.Certificate) bool {
	return len(leaf.URIs) == 1 && leaf.URIs[0].Scheme == "spiffe" && leaf.URIs[0].Host != r.trustDomain
}

// signedIn verifies the list with its issuer, which is in the chain.
func (l *revocationList) signedIn(above []*x509.Certificate) error {
	for _, c := range above {
		if string(c.SubjectKeyId) != string(l.AuthorityKeyId) {
			continue
		}
		if l.issuer != nil && l.issuer.Equal(c) {
			return nil
		}
		if err := l.CheckSignatureFrom(c); err != nil {
			return err
		}
		l.issuer = c
		return nil
	}
	return evidence.Errorf(evidence.CodeRevocationUnknown, "", "the chain does not have it")
}
