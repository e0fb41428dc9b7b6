package tokens

import (
	"crypto"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// SVIDConfig says who issues JWT-SVIDs.
type SVIDConfig struct {
	// TrustDomain is that of every subject.
	TrustDomain string
	// Key returns the key to sign with now, ECDSA P-256: one that the trust bundle has,
	// and that signs nothing else.
	Key func() crypto.Signer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// SVIDIssuer signs JWT-SVIDs (SPIFFE JWT-SVID). Unlike an attestation result, a
// JWT-SVID is a bearer token: who has it, is its subject to its audience, so it is
// short and for named audiences. It is safe for concurrent use.
type SVIDIssuer struct {
	config      SVIDConfig
	trustDomain spiffeid.TrustDomain
}

// NewSVIDIssuer returns an SVIDIssuer.
func NewSVIDIssuer(c SVIDConfig) (*SVIDIssuer, error) {
	if c.Key == nil {
		return nil, errors.New("tokens: an issuer of JWT-SVIDs needs a key")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	td, err := spiffeid.TrustDomainFromString(c.TrustDomain)
	if err != nil {
		return nil, err
	}
	return &SVIDIssuer{c, td}, nil
}

// SVID is a JWT-SVID.
type SVID struct {
	Token    string // JWS compact serialisation
	Audience []string
	Expires  time.Time
}

// svidClaims are the claims of a JWT-SVID (SPIFFE JWT-SVID §3), and one of this
// project where the evidence is simulated.
type svidClaims struct {
	Audience  []string `json:"aud"`
	Expires   int64    `json:"exp"`
	IssuedAt  int64    `json:"iat"`
	Subject   string   `json:"sub"`
	Simulated bool     `json:"https://github.com/quotary/quotary/simulated,omitempty"`
}

// Issue signs a JWT-SVID for the identity of result and one or more audiences. The
// error is an *evidence.Error: with CodeIssuingResult for a result that was not
// accepted, not just now, or not for a challenge of this service; CodeIssuingAudience
// for audiences that are missing, too many or malformed; CodeIssuingIdentity for an
// identity that is not a workload's of the trust domain; CodeIssuingValidity if what
// the result rests on ends at once.
func (i *SVIDIssuer) Issue(result verifier.Result, audience []string) (SVID, error) {
	if !result.Accepted() || result.Purpose() == "" || result.Key().IsZero() {
		return SVID{}, evidence.Errorf(evidence.CodeIssuingResult, "", "no JWT-SVID is issued on this result: it was not accepted, or is not for a challenge")
	}
	if err := checkAudiences(audience); err != nil {
		return SVID{}, err
	}
	subject := result.Identity().SPIFFEID
	if err := i.checkSubject(subject); err != nil {
		return SVID{}, err
	}
	now := i.config.Now()
	expires, err := validity(result, now)
	if err != nil {
		return SVID{}, err
	}
	token, err := signSVID(i.config.Key(), svidClaims{
		Audience: audience, Expires: expires.Unix(), IssuedAt: now.Unix(), Subject: subject, Simulated: result.Simulated(),
	})
	return SVID{token, slices.Clone(audience), expires}, err
}

// signSVID signs claims. The header has alg, kid and typ and nothing else (SPIFFE
// JWT-SVID §2).
func signSVID(private crypto.Signer, claims svidClaims) (string, error) {
	key, err := NewSigningKey(private)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(key.jws(), (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// checkAudiences refuses a JWT-SVID that would be good for nobody, or for anybody.
func checkAudiences(audience []string) error {
	if len(audience) == 0 || len(audience) > maxSVIDAudiences {
		return evidence.Errorf(evidence.CodeIssuingAudience, "jwt_svid", "a JWT-SVID needs 1 to %d audiences", maxSVIDAudiences)
	}
	for i, name := range audience {
		if !isAudience(name) || slices.Contains(audience[:i], name) {
			return evidence.Errorf(evidence.CodeIssuingAudience, "jwt_svid", "an audience takes 1 to %d printable characters without spaces, and stands there once", maxAudience)
		}
	}
	return nil
}

// servicePath is kept for the service itself, with everything below it.
const servicePath = "/quotary"

// checkSubject refuses an identity that no workload may have.
func (i *SVIDIssuer) checkSubject(text string) error {
	id, err := spiffeid.FromString(text)
	if err != nil || id.String() != text || !id.MemberOf(i.trustDomain) || id.Path() == "" ||
		id.Path() == servicePath || strings.HasPrefix(id.Path(), servicePath+"/") {
		return evidence.Errorf(evidence.CodeIssuingIdentity, "identity", "%.64q is no workload's SPIFFE ID in the trust domain %s", text, i.trustDomain)
	}
	return nil
}
