package admin

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/quotary/quotary/internal/strictjson"
)

// token is a JWS in compact serialisation (RFC 7515 §3.1) that has been taken
// apart, and not verified.
type token struct {
	text      string
	algorithm jose.SignatureAlgorithm
	keyID     string
	claims    strictjson.Value
	payload   string // what claims was read from
}

// headerMembers are what a token's header may have. The thumbprints say nothing
// that kid does not. Everything else names keys that nobody trusts (jku, jwk, x5u, x5c),
// asks for what nobody does (crit), or belongs to other things than tokens.
var headerMembers = []string{"alg", "kid", "typ", "x5t", "x5t#S256"}

// types are what a token may say it is: nothing, a JWT (RFC 7519 §5.1) or an access
// token (RFC 9068 §2.1). Logout tokens, proofs and attestation results have others.
var types = []string{"", "JWT", "at+jwt"}

var base64url = base64.RawURLEncoding.Strict()

// parseToken takes a token apart by strict rules.
func parseToken(text string) (token, error) {
	if len(text) > maxBearer || strings.Count(text, ".") != 2 {
		return token{}, refused("the credential is no token of three parts")
	}
	parts := strings.Split(text, ".")
	header, _, err := decodePart(parts[0])
	if err != nil {
		return token{}, refused("the token's header is refused: %w", err)
	}
	t := token{text: text}
	if err := t.readHeader(header); err != nil {
		return token{}, err
	}
	if t.claims, t.payload, err = decodePart(parts[1]); err != nil {
		return token{}, refused("the token's claims are refused: %w", err)
	}
	if signature, err := decodeBase64(parts[2]); err != nil || len(signature) == 0 {
		return token{}, refused("the token has no signature in base64url")
	}
	return t, nil
}

// decodePart decodes an object that one reader alone can read in one way alone.
func decodePart(text string) (strictjson.Value, string, error) {
	data, err := decodeBase64(text)
	if err != nil {
		return strictjson.Value{}, "", err
	}
	v, err := strictjson.Parse(data, strictjson.Rules{Depth: maxTokenDepth, Elements: maxTokenMembers, Text: maxTokenText})
	if err == nil && v.Kind != strictjson.Object {
		err = errNoObject
	}
	return v, string(data), err
}

// decodeBase64 refuses line breaks, which the library's decoder skips.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, base64.CorruptInputError(0)
	}
	return base64url.DecodeString(text)
}

func (t *token) readHeader(header strictjson.Value) error {
	for _, member := range header.Items {
		if !slices.Contains(headerMembers, member.Name) || member.Kind != strictjson.Text {
			return refused("the token's header has the member %.32q, or it is no text", member.Name)
		}
	}
	typ, _ := textOf(header, "typ")
	if !slices.Contains(types, typ) {
		return refused("the token is a %.32q, want a JWT", typ)
	}
	alg, _ := textOf(header, "alg")
	if t.algorithm = jose.SignatureAlgorithm(alg); !slices.Contains(algorithms, t.algorithm) {
		return refused("the token's algorithm %.16q is not accepted", alg)
	}
	if t.keyID, _ = textOf(header, "kid"); t.keyID == "" || len(t.keyID) > maxKeyID {
		return refused("the token names no key (kid)")
	}
	return nil
}

// textOf returns the text of this name. ok is false if there is none, or it is no text.
func textOf(object strictjson.Value, name string) (text string, ok bool) {
	v := object.Get(name)
	if v == nil || v.Kind != strictjson.Text {
		return "", false
	}
	return v.Text, true
}
