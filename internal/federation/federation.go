// Package federation keeps the trust bundles of other trust domains, for workloads
// that speak to theirs: it fetches each from the bundle endpoint that the operator
// names (SPIFFE Federation §5), again and again, takes none that is older than what
// it has, and keeps the newest in a file. Bundles of two trust domains are never
// merged.
//
// Start at [Open], then [Federation.Run].
package federation

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/quotary/quotary/evidence"
)

// Profile says how a bundle endpoint authenticates itself (SPIFFE Federation §5.2).
type Profile string

// The profiles.
const (
	HTTPSWeb    Profile = "https_web"    // by a certificate of the Web's PKI
	HTTPSSPIFFE Profile = "https_spiffe" // by an X509-SVID under the bundle that is at hand
)

// Partner is another trust domain, as the operator names it: nothing of it is
// inferred from anything else.
type Partner struct {
	TrustDomain string
	// URL is the bundle endpoint's: https, without user, query or fragment.
	URL     string
	Profile Profile
	// EndpointID is the endpoint's SPIFFE ID, in the partner's trust domain, and First
	// its first bundle (JSON); for HTTPSSPIFFE.
	EndpointID string
	First      []byte
	// Roots verify the endpoint for HTTPSWeb; nil means the system's.
	Roots *x509.CertPool
}

// Config says which trust domains there are.
type Config struct {
	// Dir holds the newest bundle of each, in TRUST-DOMAIN.json. It is made, mode 0700.
	Dir string
	// Own is the trust domain that is no partner.
	Own      string
	Partners []Partner
	// Record makes a new bundle durable elsewhere before it counts; if it fails, the
	// bundle does not.
	Record func(context.Context, Bundle) error
	// Notify is told of a failure when it begins, and with a nil error when it ends.
	Notify func(trustDomain string, err error)
}

// Bundle is a partner's trust bundle as it was fetched.
type Bundle struct {
	TrustDomain string
	Raw         json.RawMessage
	// Sequence is its number; 0 if it has none. Roots and Keys are how many it has,
	// for certificates and for JWT-SVIDs.
	Sequence    uint64
	Roots, Keys int
}

// Federation has the bundles. It is safe for concurrent use.
type Federation struct{ members []*member }

// member is a partner with its newest bundle.
type member struct {
	Partner
	config  *Config
	domain  spiffeid.TrustDomain
	id      spiffeid.ID
	current atomic.Pointer[held] // nil before there is one
}

// held is a bundle that counts.
type held struct {
	parsed *spiffebundle.Bundle
	raw    json.RawMessage
}

// Open judges the partners and reads what was kept of them.
func Open(c Config) (*Federation, error) {
	if len(c.Partners) > maxPartners {
		return nil, refuse("federation", "%d trust domains, at most %d are kept", len(c.Partners), maxPartners)
	}
	f := &Federation{}
	seen := map[string]bool{c.Own: true}
	for _, p := range c.Partners {
		if seen[p.TrustDomain] {
			return nil, refuse("federation.trust_domain", "%q is the service's own, or stands there twice", p.TrustDomain)
		}
		seen[p.TrustDomain] = true
		m := &member{Partner: p, config: &c}
		if err := m.check(); err != nil {
			return nil, err
		}
		f.members = append(f.members, m)
	}
	if len(f.members) == 0 {
		return f, nil
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	for _, m := range f.members {
		if err := m.open(); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// check judges what the operator said.
func (m *member) check() error {
	var err error
	if m.domain, err = spiffeid.TrustDomainFromString(m.TrustDomain); err != nil || m.domain.Name() != m.TrustDomain {
		return refuse("federation.trust_domain", "%.64q is no trust domain", m.TrustDomain)
	}
	u, err := url.Parse(m.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return refuse("federation.url", "%.128q is no https URL without user, query and fragment", m.URL)
	}
	switch m.Profile {
	case HTTPSWeb:
		if m.EndpointID != "" || m.First != nil {
			return refuse("federation.profile", "endpoint_id and bundle are for the profile %q", HTTPSSPIFFE)
		}
	case HTTPSSPIFFE:
		if m.id, err = spiffeid.FromString(m.EndpointID); err != nil || !m.id.MemberOf(m.domain) {
			return refuse("federation.endpoint_id", "%.128q is no SPIFFE ID in %s", m.EndpointID, m.domain)
		}
		if m.First == nil || m.Roots != nil {
			return refuse("federation.bundle", "the profile %q needs the first bundle, and no roots", HTTPSSPIFFE)
		}
	default:
		return refuse("federation.profile", "%q is neither %q nor %q", m.Profile, HTTPSWeb, HTTPSSPIFFE)
	}
	return nil
}

// Bundles returns the bundles at hand, by trust domain.
func (f *Federation) Bundles() map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for _, m := range f.members {
		if h := m.current.Load(); h != nil {
			out[m.TrustDomain] = h.raw
		}
	}
	return out
}

// Run fetches bundles until ctx ends.
func (f *Federation) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, m := range f.members {
		running.Go(func() { m.run(ctx) })
	}
	running.Wait()
}

func (m *member) run(ctx context.Context) {
	failures := 0
	for {
		err := m.refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		if (err != nil) != (failures > 0) {
			m.config.Notify(m.TrustDomain, err)
		}
		if failures++; err == nil {
			failures = 0
		}
		timer := time.NewTimer(m.wait(failures))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// wait is how long until the next look: the bundle's refresh hint, less a random fifth
// so that services which started together do not ask together; sooner after few failures.
func (m *member) wait(failures int) time.Duration {
	hint := defaultRefresh
	if h := m.current.Load(); h != nil {
		if wanted, ok := h.parsed.RefreshHint(); ok {
			hint = min(max(wanted, minRefresh), maxRefresh)
		}
	}
	if failures > 0 {
		hint = min(hint, firstRetry<<min(failures-1, maxDoublings))
	}
	return hint - rand.N(hint/5)
}

// refresh fetches the bundle once and goes by it if it is newer.
func (m *member) refresh(ctx context.Context) error {
	raw, err := m.fetch(ctx)
	if err != nil {
		return err
	}
	next, err := parse(m.domain, raw)
	if err != nil {
		return err
	}
	if h := m.current.Load(); h != nil {
		if older(next, h.parsed) {
			return evidence.Errorf(evidence.CodeFederationBundle, m.TrustDomain, "the bundle is older than the one at hand")
		}
		if next.Equal(h.parsed) {
			return nil
		}
	}
	if err := m.config.Record(ctx, describe(next, raw)); err != nil {
		return err
	}
	if err := m.keep(raw); err != nil {
		return err
	}
	m.current.Store(&held{next, raw})
	return nil
}

// older reports whether next has a lower number than the bundle at hand.
func older(next, at *spiffebundle.Bundle) bool {
	n, numbered := next.SequenceNumber()
	now, was := at.SequenceNumber()
	return was && (!numbered || n < now)
}

func describe(b *spiffebundle.Bundle, raw json.RawMessage) Bundle {
	n, _ := b.SequenceNumber()
	return Bundle{
		TrustDomain: b.TrustDomain().Name(), Raw: raw, Sequence: n,
		Roots: len(b.X509Authorities()), Keys: len(b.JWTAuthorities()),
	}
}

func refuse(field, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeConfigMalformed, field, format, args...)
}
