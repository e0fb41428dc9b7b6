package verifier

import (
	"crypto/rand"
	"encoding/hex"
	"errors"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
)

// Request asks for an appraisal.
type Request struct {
	Bundle evidence.Bundle
	// Freshness says what the evidence must be bound to: an [Answer] or a [BackgroundCheck].
	Freshness Freshness
	// Endorsements came with the evidence. They are no more trusted than any others;
	// who sends them saves the service from fetching them. Nil means none.
	Endorsements *tee.Endorsements
}

// Freshness is an [Answer] or a [BackgroundCheck].
type Freshness interface{ sealed() }

// Answer is evidence made for a challenge of this service and for one key,
// given as a certificate request, as a public key, or as both, which must then
// be the same key. It is undecoded: nothing is parsed before the challenge is spent.
type Answer struct {
	Challenge string // as it was issued
	CSR       []byte // PKCS #10, DER
	PublicKey []byte // SubjectPublicKeyInfo, DER
}

// BackgroundCheck is evidence made for somebody else's report data. Nothing but
// an attestation result can be issued on it.
type BackgroundCheck struct {
	// ReportData must equal what the evidence carries. Nil judges no freshness.
	ReportData []byte
}

func (Answer) sealed()          {}
func (BackgroundCheck) sealed() {}

// Appraise judges evidence under the active policy. The error is an
// *evidence.Error for a challenge that is malformed, expired, spent or for
// another audience, and for a key that cannot be certified; evidence that is refused is
// no error but a Result with its verdict and all checks. The challenge is spent
// before anything else is looked at.
func (v *Verifier) Appraise(req Request) (Result, error) {
	now := v.now()
	r := &result{id: newID(), appraisedAt: now}
	var expected func(evidence.Bundle) *expectation
	switch f := req.Freshness.(type) {
	case Answer:
		if err := v.answer(f, r); err != nil {
			return Result{}, err
		}
		expected = r.bound
	case BackgroundCheck:
		expected = func(evidence.Bundle) *expectation { return ofCaller(f.ReportData) }
	default:
		return Result{}, errors.New("verifier: a request without freshness")
	}
	bundle, err := evidence.NewBundle(req.Bundle...)
	if err != nil {
		return Result{}, err
	}
	r.appraisal = appraisal{bundle: bundle, expected: expected(bundle), key: r.key, endorsements: req.Endorsements}
	v.conclude(r)
	return Result{r}, nil
}

// Spend uses up a challenge without an appraisal: that of a request which is
// refused for something else in it. What is no challenge of this service is passed over.
func (v *Verifier) Spend(challenge string) {
	if v.challenges != nil {
		_, _ = v.challenges.consume(challenge, v.trustDomain, v.now())
	}
}

// answer consumes the challenge and notes what it was for, and the key.
func (v *Verifier) answer(a Answer, r *result) error {
	if v.challenges == nil {
		return errors.New("verifier: no challenges are configured")
	}
	challenge, err := v.challenges.consume(a.Challenge, v.trustDomain, r.appraisedAt)
	if err != nil {
		return err
	}
	r.challenge = challenge
	r.key, err = a.key()
	return err
}

// bound expects the binding of the answered challenge, the key and the bundle.
func (r *result) bound(bundle evidence.Bundle) *expectation {
	c := r.challenge
	return ofBinding(evidence.NewBinding(c.Purpose, c.Nonce, r.key.SPKI(), c.Audience, bundle.Kinds()))
}

// key decodes the one key that the answer names.
func (a Answer) key() (evidence.Key, error) {
	switch {
	case a.CSR == nil && a.PublicKey == nil:
		return evidence.Key{}, evidence.Errorf(evidence.CodeKeyMalformed, "public_key", "an attestation needs a key: send a csr or a public_key")
	case a.CSR == nil:
		return evidence.ParseKey(a.PublicKey)
	}
	key, err := evidence.ParseCSR(a.CSR)
	if err != nil || a.PublicKey == nil {
		return key, err
	}
	other, err := evidence.ParseKey(a.PublicKey)
	if err != nil {
		return evidence.Key{}, err
	}
	if !key.Equal(other) {
		return evidence.Key{}, evidence.Errorf(evidence.CodeKeyMismatch, "csr", "the request's key is not the public_key that was sent with it")
	}
	return key, nil
}

// conclude judges the evidence and decides, under one snapshot of the policy. What
// earlier appraisals left is asked for only where the evidence is known to be
// fresh; of a background check alone whether its key was revoked.
func (v *Verifier) conclude(r *result) {
	set := v.policies()
	var states *recall
	var earlier func(evidence.Digest) *tee.KeyState
	switch {
	case v.states == nil:
	case r.challenge.Purpose == "":
		earlier = (&recall{states: v.states}).revocation
	default:
		states = &recall{states: v.states, policy: set.Digest(), now: r.appraisedAt}
		earlier = states.earlier
	}
	r.items = v.judge(r.appraisal, earlier, r.appraisedAt)
	v.decide(r, set)
	if r.verdict == Accepted && !r.remember(states) {
		r.verdict, r.decision.Identity = Rejected, policies.Identity{}
		r.checks.Fail(evidence.CodeTPMIMAOffset, "an IMA log from its first entry", "the entries before were judged under another requirement")
	}
}

// decide sets the verdict: first genuineness and binding, then policy. Policy is
// asked only about genuine evidence; it cannot raise trust.
func (v *Verifier) decide(r *result, set *policies.Set) {
	verdict := gather(r)
	if verdict != Genuine {
		r.verdict = verdict
		r.checks.NotPerformed(evidence.CodePolicyEvaluated, "", "the evidence is not genuine, so no policy was asked")
		return
	}
	r.nonce = r.challenge.Nonce[:]
	if r.challenge.Purpose == "" {
		r.nonce = boundData(r.items)
	}
	r.decision = set.Evaluate(policies.Input{
		Claims: claimsOf(r.items), Now: r.appraisedAt,
		TrustDomain: v.trustDomain, SimulatedAccepted: v.simulated,
	})
	r.policyDigest = r.decision.Digest
	r.checks = append(r.checks, r.decision.Checks...)
	r.validUntil = earliest(r.validUntil, r.decision.ValidUntil)
	r.verdict = Verdict(r.decision.Verdict)
	if r.verdict != Accepted {
		r.decision.Identity = policies.Identity{}
	}
}

// gather collects the items' checks and says whether all are genuine and bound.
func gather(r *result) Verdict {
	verdict := Genuine
	if len(r.items) == 0 {
		verdict = Rejected // nothing proves nothing
	}
	for _, item := range r.items {
		r.checks = append(r.checks, item.Outcome.Checks...)
		r.validUntil = earliest(r.validUntil, item.Outcome.ValidUntil)
		r.simulated = r.simulated || item.Outcome.Claims.Simulated
		verdict = worse(verdict, verdictOf(item))
	}
	return verdict
}

// verdictOf judges one item.
func verdictOf(item Item) Verdict {
	switch {
	case item.Outcome.Genuine():
		return Genuine
	case item.Outcome.Undecided():
		return Undecided
	default:
		return Rejected
	}
}

// worse returns the verdict that grants less.
func worse(a, b Verdict) Verdict {
	for _, v := range []Verdict{Rejected, Undecided} {
		if a == v || b == v {
			return v
		}
	}
	return Genuine
}

// boundData returns the caller's data of a background check as the evidence carries it,
// if it was compared. Of several items it is the last's: what the others carry
// may cover more; see [evidence.Binding.Covering].
func boundData(items []Item) []byte {
	last := items[len(items)-1].Outcome
	check, ok := last.Checks.Get(evidence.CodeBinding)
	if !ok || check.Status != evidence.Pass {
		return nil
	}
	return last.ReportData
}

func newID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails (crypto/rand)
	return hex.EncodeToString(id[:])
}
