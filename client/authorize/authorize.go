// Package authorize decides for a relying party behind a proxy, request by request, whether
// the workload at the other end may: by the certificate that it showed the proxy, which is
// verified again, by what is revoked now, and by rules. The proxy's word is taken for one
// thing only, that the peer has the certificate's key.
//
// It decides by its input alone: no clock, no network, and where something is not known,
// against the request.
//
// Start at [New], [Authorizer.Learn] and [Authorizer.Decide].
package authorize

import (
	"crypto/x509"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/lru"
)

// Config says how an Authorizer decides.
type Config struct {
	// Rules are looked through in order: the first that a request matches decides, and
	// without one it is refused.
	Rules []Rule
	// MaxAge is how old may be what [Authorizer.Learn] was told last, and what the feed said.
	MaxAge time.Duration
}

// Revocations are what is revoked now: a *client.Revocations.
type Revocations interface {
	// Check refuses a certificate whose verified chain follows unless it is known not to be
	// revoked, with an *evidence.Error.
	Check(chain []*x509.Certificate) error
	// Issuers are the certificates of issuing CAs, in which nobody trusts yet.
	Issuers() []*x509.Certificate
	// Heard is when they were last known to be those of then.
	Heard() time.Time
}

// Authorizer decides. It is safe for concurrent use.
type Authorizer struct {
	rules  []rule
	maxAge time.Duration
	known  atomic.Pointer[known] // nil until something is
}

// known is what an Authorizer goes by.
type known struct {
	domain      string
	roots       []*x509.Certificate
	revocations Revocations
	at          time.Time
	peers       *lru.Cache[[32]byte, *peer] // that were proved under these roots
}

// New returns an Authorizer that refuses everybody until it learns whom to trust. The error
// is an *evidence.Error with CodeConfigMalformed.
func New(c Config) (*Authorizer, error) {
	rules, err := compile(c.Rules)
	if err != nil {
		return nil, err
	}
	if c.MaxAge <= 0 {
		return nil, malformed("max_age", "what is known must have a greatest age")
	}
	return &Authorizer{rules: rules, maxAge: c.MaxAge}, nil
}

// Learn has decisions rest on these roots of a trust domain from now on, as its bundle had
// them at a time, and on these revocations.
func (a *Authorizer) Learn(domain string, roots []*x509.Certificate, r Revocations, at time.Time) {
	next := &known{domain: domain, roots: roots, revocations: r, at: at}
	if last := a.known.Load(); last != nil && last.domain == domain && sameRoots(last.roots, roots) {
		next.peers = last.peers
	} else {
		next.peers = lru.New[[32]byte, *peer](maxPeers)
	}
	a.known.Store(next)
}

func sameRoots(a, b []*x509.Certificate) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

// Heard returns when what decisions rest on was last confirmed; the zero time if never.
func (a *Authorizer) Heard() time.Time {
	k := a.known.Load()
	if k == nil {
		return time.Time{}
	}
	return k.heard()
}

func (k *known) heard() time.Time {
	if heard := k.revocations.Heard(); heard.Before(k.at) {
		return heard
	}
	return k.at
}

// age is how old that is: the greater age of two clocks, because the monotonic one stands still while
// a machine is suspended, and that on the wall may be put back.
func (k *known) age(now time.Time) time.Duration {
	heard := k.heard()
	return max(now.Sub(heard), now.Round(0).Sub(heard.Round(0)))
}

// Request is what a decision is about.
type Request struct {
	// Certificate is what the peer showed in the TLS handshake, in PEM, or in PEM with
	// percent signs (RFC 3986 §2.1) as proxies write it into variables.
	Certificate string
	// Method, Host and Target are the request's, as the client wrote them: Host with or
	// without a port, Target a path with or without a query.
	Method, Host, Target string
}

// Path is the request's path as the client wrote it, without a query.
func (r Request) Path() string {
	path, _, _ := strings.Cut(r.Target, "?")
	return path
}

// Decision is what was decided, and on what. What the certificate says is there as soon as
// that is verified, whether the request is allowed or not.
type Decision struct {
	Allowed bool
	Code    evidence.Code // why not; zero if it is allowed
	Reason  string        // the same in words; empty if it is allowed

	SPIFFEID  string
	Simulated bool // the certificate rests on simulated evidence: it proves nothing
	// AttestedAt, Workload and Status are of the attestation result in the certificate;
	// zero without one.
	AttestedAt time.Time
	Workload   string
	Status     Status
}

// Decide decides at a time. It never panics, and never allows what it cannot judge.
func (a *Authorizer) Decide(r Request, now time.Time) Decision {
	var d Decision
	err := a.decide(r, now, &d)
	if err == nil {
		d.Allowed = true
		return d
	}
	d.Code, d.Reason = evidence.CodeAuthorizeKnowledge, err.Error()
	var coded *evidence.Error
	if errors.As(err, &coded) {
		d.Code, d.Reason = coded.Code, coded.Detail
	}
	return d
}

func (a *Authorizer) decide(r Request, now time.Time, d *Decision) error {
	k := a.known.Load()
	if k == nil {
		return refuse(evidence.CodeAuthorizeKnowledge, "neither trust bundle nor revocations are known yet")
	}
	if age := k.age(now); age > a.maxAge || age < -clockSkew { // the clock was put back: nobody knows how old it is
		return refuse(evidence.CodeAuthorizeKnowledge, "trust bundle and revocations were last confirmed %s ago", age.Round(time.Second))
	}
	p, err := k.peer(r.Certificate, now)
	if err != nil {
		return err
	}
	p.describe(d)
	if err := k.revocations.Check(p.chain); err != nil {
		return err
	}
	asked, err := canonical(r)
	if err != nil {
		return err
	}
	for _, rule := range a.rules {
		matches, err := rule.matches(asked)
		if err != nil {
			return err
		}
		if matches {
			return rule.allow.judge(p, now)
		}
	}
	return refuse(evidence.CodeAuthorizeRule, "no rule is for this request")
}

func refuse(code evidence.Code, format string, args ...any) error {
	return evidence.Errorf(code, "", format, args...)
}
