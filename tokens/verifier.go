package tokens

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"math/big"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// VerifierConfig says which tokens a relying party accepts.
type VerifierConfig struct {
	// Keys are the issuer's keys, obtained from the issuer itself.
	Keys KeySet
	// Issuer and Audience must equal iss and aud.
	Issuer, Audience string
	// AcceptSimulated is the relying party's consent to tokens that rest on
	// simulated evidence, which says nothing about any machine.
	AcceptSimulated bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Verifier checks attestation results. It is safe for concurrent use.
type Verifier struct{ config VerifierConfig }

// NewVerifier returns a Verifier.
func NewVerifier(c VerifierConfig) (*Verifier, error) {
	if c.Keys.Len() == 0 || c.Issuer == "" || c.Audience == "" {
		return nil, errors.New("tokens: a verifier needs keys, an issuer and an audience")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Verifier{c}, nil
}

// signatureSize is the size of an ES256 signature, r ‖ s (RFC 7518 §3.4).
const signatureSize = 64

// checkSignature verifies r ‖ s over message. ecdsa.Verify refuses r and s that
// are zero or not below the group's order.
func (v *Verifier) checkSignature(id keyID, message, signature []byte) error {
	public, ok := v.config.Keys.find(id)
	if !ok {
		return evidence.Errorf(evidence.CodeTokenKey, "kid", "the key set has no key %s", id)
	}
	if len(signature) != signatureSize {
		return evidence.Errorf(evidence.CodeTokenSignature, "", "an ES256 signature has %d bytes, got %d", signatureSize, len(signature))
	}
	digest := sha256.Sum256(message)
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(public, digest[:], r, s) {
		return evidence.Errorf(evidence.CodeTokenSignature, "", "the signature does not verify under key %s", id)
	}
	return nil
}

// check judges claims whose signature verified.
func (v *Verifier) check(c Claims) (Claims, error) {
	for _, check := range []func(Claims) error{v.checkAddress, v.checkTimes, checkForm, checkStatus, v.checkSimulated} {
		if err := check(c); err != nil {
			return Claims{}, err
		}
	}
	return c, nil
}

func (v *Verifier) checkAddress(c Claims) error {
	if c.Issuer != v.config.Issuer {
		return evidence.Errorf(evidence.CodeTokenIssuer, "iss", "the token is issued by %.64q, want %.64q", c.Issuer, v.config.Issuer)
	}
	if c.Audience != v.config.Audience {
		return evidence.Errorf(evidence.CodeTokenAudience, "aud", "the token is for %.64q, want %.64q", c.Audience, v.config.Audience)
	}
	return nil
}

func (v *Verifier) checkTimes(c Claims) error {
	now := v.config.Now().Unix()
	skew := int64(clockSkew / time.Second)
	switch {
	case c.IssuedAt <= 0 || c.NotBefore < c.IssuedAt || c.Expires <= c.NotBefore || c.Appraisal.At <= 0:
		return evidence.Errorf(evidence.CodeTokenClaims, "exp", "iat, nbf and exp are missing or not in order")
	case c.Expires-c.IssuedAt > int64(Life/time.Second):
		return evidence.Errorf(evidence.CodeTokenExpired, "exp", "the token claims to last longer than %s", Life)
	case now >= c.Expires:
		return evidence.Errorf(evidence.CodeTokenExpired, "exp", "the token expired at %s", time.Unix(c.Expires, 0).UTC().Format(time.RFC3339))
	case c.NotBefore > now+skew:
		return evidence.Errorf(evidence.CodeTokenExpired, "nbf", "the token is not valid before %s", time.Unix(c.NotBefore, 0).UTC().Format(time.RFC3339))
	}
	return nil
}

// checkForm judges what an EAR of this profile must have.
func checkForm(c Claims) error {
	id, err := spiffeid.FromString(c.Subject)
	switch {
	case c.Profile != Profile:
		return errClaim("eat_profile", "the profile is %.64q, want %q", c.Profile, Profile)
	case err != nil || id.String() != c.Subject:
		return errClaim("sub", "the subject is no SPIFFE ID")
	case c.ID == ID{}:
		return errClaim("jti", "the token has no identifier")
	case c.Verifier.Developer == "" || c.Verifier.Build == "":
		return errClaim("ear_verifier_id", "developer or build is missing")
	case c.Nonce != nil && eatNonce(c.Nonce) == nil:
		return errClaim("eat_nonce", "a nonce has %d to %d bytes", minNonce, maxNonce)
	case c.Appraisal.ID == "":
		return errClaim("id", "the appraisal has no identifier")
	case len(c.Submodules) == 0:
		return errClaim("submods", "there is no appraisal in the token")
	}
	return checkFreshness(c)
}

func checkFreshness(c Claims) error {
	switch c.Appraisal.Freshness {
	case FreshnessChallenge:
		if c.Confirmation == nil || c.Nonce == nil {
			return errClaim("freshness", "evidence for a challenge is bound to a key and a nonce, and the token lacks one")
		}
	case FreshnessRelyingParty, FreshnessNone:
		if c.Confirmation != nil {
			return errClaim("cnf", "only evidence for a challenge is bound to a key")
		}
	default:
		return errClaim("freshness", "%.32q is no kind of freshness", c.Appraisal.Freshness)
	}
	return nil
}

// checkStatus holds each status to the worst that it summarises.
func checkStatus(c Claims) error {
	overall := StatusAffirming
	for name, s := range c.Submodules {
		if _, ok := statusNames[s.Status]; !ok || worst(s.Status, s.Vector.Status()) != s.Status {
			return errClaim("ear_status", "the status of %.32q is better than its worst claim", name)
		}
		if s.Nonce != nil && eatNonce(s.Nonce) == nil {
			return errClaim("eat_nonce", "the nonce of %.32q is not of %d to %d bytes", name, minNonce, maxNonce)
		}
		overall = worst(overall, s.Status)
	}
	if _, ok := statusNames[c.Status]; !ok || worst(c.Status, overall) != c.Status {
		return errClaim("ear_status", "the overall status is better than the worst submodule's")
	}
	return nil
}

// checkSimulated holds the marks of simulation together, and to the consent of
// the relying party.
func (v *Verifier) checkSimulated(c Claims) error {
	if c.Appraisal.Simulated == nil {
		return errClaim("simulated", "the token does not say whether it rests on simulated evidence")
	}
	some := false
	for name, s := range c.Submodules {
		if s.Evidence.Simulated == nil {
			return errClaim("simulated", "%.32q does not say whether it is simulated", name)
		}
		if *s.Evidence.Simulated && s.Vector.Hardware.tier() == StatusAffirming {
			return errClaim("simulated", "%.32q is simulated and claims genuine hardware", name)
		}
		some = some || *s.Evidence.Simulated
	}
	if some != *c.Appraisal.Simulated {
		return errClaim("simulated", "the token and its submodules disagree on whether it is simulated")
	}
	if some && !v.config.AcceptSimulated {
		return evidence.Errorf(evidence.CodeTokenSimulated, "simulated", "the token rests on simulated evidence")
	}
	return nil
}

func errClaim(field, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTokenClaims, field, format, args...)
}

func errMalformed(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTokenMalformed, "", format, args...)
}
