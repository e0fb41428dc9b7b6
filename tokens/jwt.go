package tokens

import (
	"encoding/json"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// The header of our JWS: these members and no other.
const (
	joseAlgorithm = "ES256"
	joseType      = "eat+jwt"
)

type joseHeader struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`
}

// VerifyJWT returns the claims of an EAR in JWS compact serialisation. The error
// is an *evidence.Error with a token code. Claims that this build does not know
// are ignored (draft-ietf-rats-ear §4).
func (v *Verifier) VerifyJWT(token string) (Claims, error) {
	if len(token) > MaxToken {
		return Claims{}, evidence.Errorf(evidence.CodeTokenTooLarge, "", "a token has at most %d bytes", MaxToken)
	}
	if strings.Count(token, ".") != 2 {
		return Claims{}, errMalformed("a JWS has three parts")
	}
	signed, signatureText, _ := cutLast(token, '.')
	headerText, payloadText, _ := strings.Cut(signed, ".")
	id, err := parseJOSEHeader(headerText)
	if err != nil {
		return Claims{}, err
	}
	signature, err := decodeBase64(signatureText)
	if err != nil {
		return Claims{}, errMalformed("the signature is not base64url")
	}
	payload, err := decodeBase64(payloadText)
	if err != nil {
		return Claims{}, errMalformed("the claims are not base64url")
	}
	if err := v.checkSignature(id, []byte(signed), signature); err != nil {
		return Claims{}, err
	}
	c, err := decodeClaimsJSON(payload)
	if err != nil {
		return Claims{}, err
	}
	return v.check(c)
}

// parseJOSEHeader returns the key's identifier. Any other member is refused: jku,
// jwk, x5u and x5c name keys that nobody trusts, crit asks for what nobody does.
func parseJOSEHeader(text string) (keyID, error) {
	data, err := decodeBase64(text)
	if err != nil {
		return keyID{}, errMalformed("the header is not base64url")
	}
	var header joseHeader
	if err := decodeJSON(data, &header); err != nil {
		return keyID{}, evidence.Errorf(evidence.CodeTokenHeader, "", "the header is refused: %w", err)
	}
	if header.Algorithm != joseAlgorithm || header.Type != joseType {
		return keyID{}, evidence.Errorf(evidence.CodeTokenHeader, "", "alg is %.16q and typ %.16q, want %q and %q", header.Algorithm, header.Type, joseAlgorithm, joseType)
	}
	id, err := decodeBase64(header.KeyID)
	if err != nil || len(id) != len(keyID{}) {
		return keyID{}, evidence.Errorf(evidence.CodeTokenKey, "kid", "the kid is no key thumbprint")
	}
	return keyID(id), nil
}

func decodeClaimsJSON(data []byte) (Claims, error) {
	if err := scanJSON(data); err != nil {
		return Claims{}, errMalformed("the claims are refused: %w", err)
	}
	var c Claims
	if err := json.Unmarshal(data, &c); err != nil {
		return Claims{}, errMalformed("the claims are refused: %w", err)
	}
	return c, nil
}

// cutLast slices s around its last sep.
func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}
