// Package verifier is the one path from evidence to a [Result]. It owns what no
// technology should decide for itself: freshness, the binding of evidence to
// challenge, key and bundle, and the verdict. A Result can be made by
// [Verifier.Appraise] alone; certificates and tokens are issued on nothing else.
//
// [Verifier.Examine] judges genuineness without a policy; nothing can be issued
// on what it returns.
package verifier

import (
	"errors"
	"fmt"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
)

// Config is what a Verifier works with. Policies and Endorsements are asked
// once per appraisal for an immutable snapshot, so that one appraisal never
// sees two versions.
type Config struct {
	// Technologies are the verifiers of evidence, at most one per kind.
	Technologies []tee.Verifier
	// Policies returns the active policy set; nil, or an empty set, rejects everything.
	Policies func() *policies.Set
	// Endorsements returns the vendors' collateral at hand; nil means none.
	Endorsements func() *tee.Endorsements
	// Pooled says that they are a collection for many machines, as a service's are;
	// see [tee.Params].
	Pooled bool
	// TrustDomain is the SPIFFE trust domain that identities are granted in and
	// the audience of every challenge. Empty where nothing is issued (offline use).
	TrustDomain string
	// AcceptSimulated is the operator's half of the consent to simulated
	// evidence; the policy must consent too.
	AcceptSimulated bool
	// Challenges opens and spends challenges. Nil where only background checks are made.
	Challenges *Challenges
	// KeyStates remembers attestation keys of TPMs. Nil where nobody does.
	KeyStates KeyStates
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Verifier appraises evidence. It is safe for concurrent use.
type Verifier struct {
	technologies map[evidence.Kind]tee.Verifier
	policies     func() *policies.Set
	endorsements func() *tee.Endorsements
	pooled       bool
	trustDomain  string
	simulated    bool
	challenges   *Challenges
	states       KeyStates
	now          func() time.Time
}

// New returns a Verifier.
func New(c Config) (*Verifier, error) {
	if len(c.Technologies) == 0 {
		return nil, errors.New("verifier: no technology is configured, so nothing could ever be verified")
	}
	v := &Verifier{
		technologies: map[evidence.Kind]tee.Verifier{},
		policies:     c.Policies, endorsements: c.Endorsements, pooled: c.Pooled,
		trustDomain: c.TrustDomain, simulated: c.AcceptSimulated, challenges: c.Challenges, states: c.KeyStates, now: c.Now,
	}
	for _, t := range c.Technologies {
		if _, taken := v.technologies[t.Kind()]; taken {
			return nil, fmt.Errorf("verifier: two verifiers for %s", t.Kind())
		}
		v.technologies[t.Kind()] = t
	}
	if v.policies == nil {
		v.policies = func() *policies.Set { return nil }
	}
	if v.endorsements == nil {
		v.endorsements = func() *tee.Endorsements { return nil }
	}
	if v.now == nil {
		v.now = time.Now
	}
	return v, nil
}
