package tokens

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

const (
	issuerName = "spiffe://example.org/quotary"
	audience   = "https://relying-party.example"
)

// house is an issuer and a relying party that share a clock.
type house struct {
	at       time.Time
	issuer   *Issuer
	verifier *Verifier
	lenient  *Verifier // consents to simulated evidence
}

// fixedKey is the same in every run, for golden files.
func fixedKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	sum := sha256.Sum256([]byte("a key for golden files"))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:])
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func newHouse(tb testing.TB) *house {
	tb.Helper()
	h := &house{at: verifiertest.Now()}
	key, err := NewSigningKey(fixedKey(tb))
	if err != nil {
		tb.Fatal(err)
	}
	now := func() time.Time { return h.at }
	if h.issuer, err = NewIssuer(Config{Key: key, Issuer: issuerName, Build: "v0.0.0-test", Now: now}); err != nil {
		tb.Fatal(err)
	}
	config := VerifierConfig{Keys: h.issuer.Keys(), Issuer: issuerName, Audience: audience, Now: now}
	if h.verifier, err = NewVerifier(config); err != nil {
		tb.Fatal(err)
	}
	config.AcceptSimulated = true
	if h.lenient, err = NewVerifier(config); err != nil {
		tb.Fatal(err)
	}
	return h
}

// issue returns the token for the result that r describes.
func (h *house) issue(tb testing.TB, r verifiertest.Request) Token {
	tb.Helper()
	r.At = h.at
	token, err := h.issuer.Issue(verifiertest.Accepted(tb, r), Options{Audience: audience})
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// refused fails the test unless err has one of these codes.
func refused(tb testing.TB, what string, err error, codes ...evidence.Code) {
	tb.Helper()
	for _, code := range codes {
		if evidence.CodeOf(err) == code {
			return
		}
	}
	tb.Errorf("%s: got %v, want a refusal with %v", what, err, codes)
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// goodHeader is the JWS header of the house's tokens.
func (h *house) goodHeader() string {
	return `{"alg":"ES256","kid":"` + h.issuer.key.ID() + `","typ":"eat+jwt"}`
}

// signJWS signs any header and payload with the house's key, as a thief would,
// or a bug.
func (h *house) signJWS(tb testing.TB, header string, payload []byte) string {
	tb.Helper()
	signed := b64([]byte(header)) + "." + b64(payload)
	return signed + "." + b64(signRaw(tb, h.private(), []byte(signed)))
}

// private is the key that signs tokens.
func (h *house) private() *ecdsa.PrivateKey { return h.issuer.key.private.(*ecdsa.PrivateKey) }

// signRaw returns r ‖ s.
func signRaw(tb testing.TB, key *ecdsa.PrivateKey, message []byte) []byte {
	tb.Helper()
	digest := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		tb.Fatal(err)
	}
	out := make([]byte, signatureSize)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out
}

// object is a JSON object that a test changes.
type object = map[string]any

// claimsJSON returns the claims of a good token as a tree.
func (h *house) claimsJSON(tb testing.TB) object {
	tb.Helper()
	data, err := json.Marshal(h.issue(tb, verifiertest.Request{}).Claims)
	if err != nil {
		tb.Fatal(err)
	}
	var tree object
	if err := json.Unmarshal(data, &tree); err != nil {
		tb.Fatal(err)
	}
	for _, name := range []string{"iat", "nbf", "exp"} {
		tree[name] = json.Number(jsonInt(tree[name]))
	}
	own := tree["https://github.com/quotary/quotary/ear"].(object)
	own["at"] = json.Number(jsonInt(own["at"]))
	return tree
}

func jsonInt(v any) string {
	data, _ := json.Marshal(int64(v.(float64)))
	return string(data)
}

// jwtWith returns a good token whose claims were changed and signed again.
func (h *house) jwtWith(tb testing.TB, change func(object)) string {
	tb.Helper()
	tree := h.claimsJSON(tb)
	change(tree)
	data, err := json.Marshal(tree)
	if err != nil {
		tb.Fatal(err)
	}
	return h.signJWS(tb, h.goodHeader(), data)
}

// cwtWith returns a good token of changed parts, signed again over its protected
// header and payload.
func (h *house) cwtWith(tb testing.TB, protected any, unprotected any, payload []byte) []byte {
	tb.Helper()
	header, ok := protected.([]byte)
	if !ok {
		header = encode(tb, protected)
	}
	signature := signRaw(tb, h.private(), toBeSigned(header, payload))
	return encode(tb, cbor.Tag{Number: 18, Content: []any{header, unprotected, payload, signature}})
}

func (h *house) goodProtected() map[int]any {
	return map[int]any{1: -7, 4: h.issuer.key.id[:], 16: MediaTypeCWT}
}

// claimsCBOR returns the encoded claims of a good token.
func (h *house) claimsCBOR(tb testing.TB) []byte {
	tb.Helper()
	return encode(tb, h.issue(tb, verifiertest.Request{}).Claims)
}

func encode(tb testing.TB, v any) []byte {
	tb.Helper()
	data, err := deterministic.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
