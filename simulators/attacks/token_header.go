package attacks

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// tokenHeaderRows lie in the header and the signature of a token.
func tokenHeaderRows() []Row {
	forged := func(name string, want evidence.Code, forge func(p *party) (string, error)) Case {
		return Case{Name: name, Subject: snpPlain, Want: codes(want), Proof: ByParser, Why: "who does not verify a signature has nothing to go by", Try: presenting(forge)}
	}
	header := func(name string, want evidence.Code, change func(map[string]any)) Case {
		return forged(name, want, func(p *party) (string, error) { return p.signed(change, p.attackersKey) })
	}
	return []Row{
		{"K01", "algorithm none", []Case{
			forged("without signature", evidence.CodeTokenHeader, func(p *party) (string, error) {
				return p.withHeader(func(h map[string]any) { h["alg"] = "none" }, "")
			}),
			forged("with the honest signature", evidence.CodeTokenHeader, func(p *party) (string, error) {
				_, _, signature, err := p.parts()
				if err != nil {
					return "", err
				}
				return p.withHeader(func(h map[string]any) { h["alg"] = "nOnE" }, signature)
			}),
			forged("nothing signed", evidence.CodeTokenSignature, func(p *party) (string, error) {
				return p.withHeader(func(map[string]any) {}, "")
			}),
		}},
		{"K02", "public key as secret", []Case{
			forged("the key set", evidence.CodeTokenHeader, func(p *party) (string, error) {
				return p.signed(func(h map[string]any) { h["alg"] = "HS256" }, func(signed []byte) ([]byte, error) {
					mac := hmac.New(sha256.New, p.jwks)
					mac.Write(signed)
					return mac.Sum(nil), nil
				})
			}),
		}},
		{"K03", "key identifiers that reach elsewhere", []Case{
			header("a path", evidence.CodeTokenKey, func(h map[string]any) { h["kid"] = "../../dev/null" }),
			header("none", evidence.CodeTokenKey, func(h map[string]any) { delete(h, "kid") }),
		}},
		{"K04", "headers that bring addresses or keys", []Case{
			header("jku", evidence.CodeTokenHeader, func(h map[string]any) { h["jku"] = "https://attacker.test/keys" }),
			header("jwk", evidence.CodeTokenHeader, func(h map[string]any) { h["jwk"] = map[string]string{"kty": "EC"} }),
			header("x5u", evidence.CodeTokenHeader, func(h map[string]any) { h["x5u"] = "https://attacker.test/chain" }),
		}},
		{"K05", "chain in the header", []Case{
			header("x5c", evidence.CodeTokenHeader, func(h map[string]any) { h["x5c"] = []string{"MIIB"} }),
		}},
		{"K09", "tokens that are too much", []Case{
			forged("a million dots", evidence.CodeTokenTooLarge, func(*party) (string, error) { return strings.Repeat(".", 1e6), nil }),
		}},
		{"K10", "encrypted and compressed tokens", []Case{
			header("zip", evidence.CodeTokenHeader, func(h map[string]any) { h["zip"] = "DEF" }),
		}},
		{"K11", "base64 of many forms", []Case{
			forged("padding", evidence.CodeTokenMalformed, func(p *party) (string, error) { return p.jwt + "==", nil }),
			forged("a line break", evidence.CodeTokenMalformed, func(p *party) (string, error) { return p.jwt[:20] + "\n" + p.jwt[20:], nil }),
		}},
		{"K12", "signatures of another form", []Case{
			forged("zeros", evidence.CodeTokenSignature, func(p *party) (string, error) {
				return p.withHeader(func(map[string]any) {}, base64.RawURLEncoding.EncodeToString(make([]byte, 64)))
			}),
			forged("DER", evidence.CodeTokenSignature, func(p *party) (string, error) {
				key, _, err := newKey()
				if err != nil {
					return "", err
				}
				return p.signed(func(map[string]any) {}, func(signed []byte) ([]byte, error) {
					sum := sha256.Sum256(signed)
					return ecdsa.SignASN1(rand.Reader, key, sum[:])
				})
			}),
			forged("of the attacker's key", evidence.CodeTokenSignature, func(p *party) (string, error) {
				return p.signed(func(map[string]any) {}, p.attackersKey)
			}),
		}},
		{"K13", "critical headers", []Case{
			header("crit", evidence.CodeTokenHeader, func(h map[string]any) { h["crit"] = []string{"exp"} }),
		}},
	}
}

// withHeader is the honest token under another header, with this signature.
func (p *party) withHeader(change func(map[string]any), signature string) (string, error) {
	header, claims, _, err := p.parts()
	if err != nil {
		return "", err
	}
	if header, err = changedObject(header, change); err != nil {
		return "", err
	}
	return compact(header, claims, signature), nil
}

// signed is the honest token under another header, signed by sign.
func (p *party) signed(change func(map[string]any), sign func(signed []byte) ([]byte, error)) (string, error) {
	token, err := p.withHeader(change, "")
	if err != nil {
		return "", err
	}
	signature, err := sign([]byte(strings.TrimSuffix(token, ".")))
	return token + base64.RawURLEncoding.EncodeToString(signature), err
}

// attackersKey signs as the header of an honest token says, by a key that is nobody's.
func (*party) attackersKey(signed []byte) ([]byte, error) {
	key, _, err := newKey()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(signed)
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return nil, err
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
}

// changedObject is a JSON object after change; as it is, if nothing is changed.
func changedObject(encoded []byte, change func(map[string]any)) ([]byte, error) {
	var before, after map[string]any
	if err := json.Unmarshal(encoded, &before); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(encoded, &after); err != nil {
		return nil, err
	}
	change(after)
	same, err := json.Marshal(before)
	if err != nil {
		return nil, err
	}
	changed, err := json.Marshal(after)
	if bytes.Equal(same, changed) {
		return encoded, err
	}
	return changed, err
}
