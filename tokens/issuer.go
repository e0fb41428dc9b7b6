package tokens

import (
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
	"github.com/veraison/go-cose"
)

// developer names this software in ear_verifier_id.
const developer = "https://github.com/quotary/quotary"

// Config says who issues.
type Config struct {
	Key *SigningKey
	// Issuer is the iss claim, such as the service's SPIFFE ID.
	Issuer string
	// Build is the software's version in ear_verifier_id.
	Build string
	// CompatibleNames has JWTs carry the claims' names of earlier EAR drafts besides.
	CompatibleNames bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Issuer signs attestation results. It is safe for concurrent use.
type Issuer struct {
	key    *SigningKey
	issuer string
	build  string
	now    func() time.Time
	jose   jose.Signer
	cose   cose.Signer
	// inJSON encodes the claims of a JWT.
	inJSON func(Claims) ([]byte, error)
}

// NewIssuer returns an Issuer.
func NewIssuer(c Config) (*Issuer, error) {
	if c.Key == nil || c.Issuer == "" || c.Build == "" {
		return nil, errors.New("tokens: an issuer needs a key, a name and a build")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	joseSigner, err := jose.NewSigner(c.Key.jws(), (&jose.SignerOptions{}).WithType(jose.ContentType(joseType)))
	if err != nil {
		return nil, err
	}
	coseSigner, err := cose.NewSigner(cose.AlgorithmES256, c.Key.private)
	if err != nil {
		return nil, err
	}
	i := &Issuer{c.Key, c.Issuer, c.Build, c.Now, joseSigner, coseSigner, marshalCurrent}
	if c.CompatibleNames {
		i.inJSON = marshalCompatible
	}
	return i, nil
}

func marshalCurrent(c Claims) ([]byte, error) { return json.Marshal(c) }

// Format is an encoding of a token.
type Format string

// The encodings.
const (
	FormatJWT Format = "jwt"
	FormatCWT Format = "cwt"
)

// Options say for whom a token is.
type Options struct {
	// Audience is the aud claim: the relying party that may accept the token.
	Audience string
	// Formats lists the encodings to make; empty means all.
	Formats []Format
}

// Token is an attestation result, in the encodings that were asked for.
type Token struct {
	ID      ID
	JWT     string // compact serialisation, or empty
	CWT     []byte // COSE_Sign1, tagged, or nil
	Claims  Claims
	Expires time.Time
}

// Issue signs what result says. The error is an *evidence.Error: with
// CodeIssuingResult for a result that was not accepted or not just now,
// CodeIssuingAudience for an audience that is missing or malformed,
// CodeIssuingValidity if what the result rests on ends at once.
func (i *Issuer) Issue(result verifier.Result, o Options) (Token, error) {
	if !result.Accepted() {
		return Token{}, evidence.Errorf(evidence.CodeIssuingResult, "", "no token is issued on this result: it was not accepted")
	}
	if !isAudience(o.Audience) {
		return Token{}, evidence.Errorf(evidence.CodeIssuingAudience, "audience", "a token needs an audience of 1 to %d printable characters without spaces", maxAudience)
	}
	now := i.now()
	expires, err := validity(result, now)
	if err != nil {
		return Token{}, err
	}
	claims := claimsOf(result)
	rand.Read(claims.ID[:]) // never fails (crypto/rand)
	claims.Issuer, claims.Audience = i.issuer, o.Audience
	claims.IssuedAt, claims.NotBefore, claims.Expires = now.Unix(), now.Unix(), expires.Unix()
	claims.Verifier = VerifierID{developer, i.build}
	return i.encode(claims, o.Formats)
}

// encode signs claims in each format.
func (i *Issuer) encode(claims Claims, formats []Format) (Token, error) {
	token := Token{ID: claims.ID, Claims: claims, Expires: time.Unix(claims.Expires, 0)}
	var err error
	if len(formats) == 0 || slices.Contains(formats, FormatJWT) {
		if token.JWT, err = i.signJWT(claims); err != nil {
			return Token{}, err
		}
	}
	if len(formats) == 0 || slices.Contains(formats, FormatCWT) {
		if token.CWT, err = i.signCWT(claims); err != nil {
			return Token{}, err
		}
	}
	return token, nil
}

func (i *Issuer) signJWT(claims Claims) (string, error) {
	payload, err := i.inJSON(claims)
	if err != nil {
		return "", err
	}
	signed, err := i.jose.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func (i *Issuer) signCWT(claims Claims) ([]byte, error) {
	payload, err := deterministic.Marshal(claims)
	if err != nil {
		return nil, err
	}
	protected := cose.ProtectedHeader{
		cose.HeaderLabelAlgorithm: cose.AlgorithmES256,
		cose.HeaderLabelKeyID:     i.key.id[:],
		cose.HeaderLabelType:      MediaTypeCWT,
	}
	return cose.Sign1(rand.Reader, i.cose, cose.Headers{Protected: protected}, payload, nil)
}

// Public returns the public key that verifies the tokens.
func (i *Issuer) Public() crypto.PublicKey { return i.key.Public() }

// Keys returns the key set under which the tokens verify.
func (i *Issuer) Keys() KeySet {
	var s KeySet
	s.add(i.key.id, i.key.public)
	return s
}

// isAudience accepts printable ASCII without spaces: a name that reads the same
// everywhere.
func isAudience(s string) bool {
	return s != "" && len(s) <= maxAudience && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
