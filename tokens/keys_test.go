package tokens

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

func TestKeySets(t *testing.T) {
	h := newHouse(t)
	text, err := h.issuer.Keys().JSON()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := h.issuer.Keys().CBOR()
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := ParseKeySet(text)
	if err != nil {
		t.Fatal(err)
	}
	fromCBOR, err := ParseCOSEKeySet(binary)
	if err != nil {
		t.Fatal(err)
	}
	token := h.issue(t, verifiertest.Request{})
	for _, set := range []KeySet{fromJSON, fromCBOR} {
		v, err := NewVerifier(VerifierConfig{Keys: set, Issuer: issuerName, Audience: audience, Now: h.verifier.config.Now})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.VerifyJWT(token.JWT); err != nil {
			t.Error(err)
		}
	}
	if _, err := NewVerifier(VerifierConfig{Issuer: issuerName, Audience: audience}); err == nil {
		t.Error("a verifier without keys")
	}
}

func TestKeySetsThatAreRefused(t *testing.T) {
	h := newHouse(t)
	good, _ := h.issuer.Keys().JSON()
	key := strings.TrimSuffix(strings.TrimPrefix(string(good), `{"keys":[`), `]}`)
	with := func(old, new string) string { return strings.Replace(string(good), old, new, 1) }
	for name, text := range map[string]string{
		"empty": "", "null": "null", "no keys": `{}`, "no key": `{"keys":[]}`, "list": `[` + key + `]`, "twice": `{"keys":[` + key + "," + key + `]}`,
		"other use": with(`"sig"`, `"enc"`), "no use": with(`"use":"sig",`, ""), "other alg": with("ES256", "ES384"), "no alg": with(`"alg":"ES256",`, ""),
		"other kid": with(h.issuer.key.ID(), "x"), "no kid": with(`,"kid":"`+h.issuer.key.ID()+`"`, ""), "private": with(`"kty"`, `"d":"AA","kty"`),
		"certificate": with(`"kty"`, `"x5c":["AA"],"kty"`), "URL": with(`"kty"`, `"x5u":"https://a","kty"`), "duplicate": with(`"kty":"EC"`, `"kty":"EC","kty":"EC"`),
		"in capitals": with(`"keys"`, `"Keys"`), "trailing": string(good) + "{}", "large": string(good) + strings.Repeat(" ", maxKeySet), "symmetric": `{"keys":[{"kty":"oct","k":"AAAA","use":"sig","alg":"ES256","kid":"x"}]}`,
		"other curve": with("P-256", "P-384"),
	} {
		_, err := ParseKeySet([]byte(text))
		refused(t, name, err, evidence.CodeTokenKeySet)
	}
	many := KeySet{}
	for range maxKeys + 1 {
		k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		id, _ := thumbprint(&k.PublicKey)
		many.add(id, &k.PublicKey)
	}
	text, _ := many.JSON()
	_, err := ParseKeySet(text)
	refused(t, "many", err, evidence.CodeTokenKeySet)
	binary, _ := many.CBOR()
	_, err = ParseCOSEKeySet(binary)
	refused(t, "many", err, evidence.CodeTokenKeySet)
	binary, _ = h.issuer.Keys().CBOR()
	for name, data := range map[string][]byte{
		"empty": {}, "no key": {0x80}, "null": {0xf6}, "trailing": append(bytes.Clone(binary), 0), "truncated": binary[:len(binary)-1],
		"alg": bytes.Replace(binary, []byte{0x03, 0x26}, []byte{0x03, 0x25}, 1), "kid": bytes.Replace(binary, h.issuer.key.id[:], make([]byte, 32), 1), "large": make([]byte, maxKeySet+1),
	} {
		_, err := ParseCOSEKeySet(data)
		refused(t, name, err, evidence.CodeTokenKeySet)
	}
}

// During a rollover both keys verify; a key that was taken out does not.
func TestAttack_K22_H11_KeyRollover(t *testing.T) {
	h := newHouse(t)
	old := h.issue(t, verifiertest.Request{})
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	next, err := NewSigningKey(private)
	if err != nil {
		t.Fatal(err)
	}
	both, after := h.issuer.Keys(), KeySet{}
	both.add(next.id, &private.PublicKey)
	after.add(next.id, &private.PublicKey)
	for _, c := range []struct {
		keys KeySet
		ok   bool
	}{{both, true}, {after, false}} {
		v, err := NewVerifier(VerifierConfig{Keys: c.keys, Issuer: issuerName, Audience: audience, Now: h.verifier.config.Now})
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.VerifyJWT(old.JWT)
		if (err == nil) != c.ok {
			t.Errorf("under %d keys: %v", c.keys.Len(), err)
		}
		if !c.ok {
			refused(t, "after", err, evidence.CodeTokenKey)
		}
	}
}

// What the token key signs is a JWS or a Sig_structure of this service's own
// making; ca.Open refuses a key that a CA has as well.
func TestAttack_K23_WhatTheKeySigns(t *testing.T) {
	h := newHouse(t)
	result := verifiertest.Accepted(t, verifiertest.Request{Background: bytes.Repeat([]byte{0x30}, 64), Kinds: []evidence.Kind{evidence.KindTPM}})
	token, err := h.issuer.Issue(result, Options{Audience: audience})
	if err != nil {
		t.Fatal(err)
	}
	signed, _, _ := cutLast(token.JWT, '.')
	if !strings.HasPrefix(signed, b64([]byte(`{"alg":"ES256"`))[:16]) {
		t.Errorf("the JWS begins with %.20s", signed)
	}
	var message sign1
	if err := exactCBOR.Unmarshal(token.CWT[1:], &message); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(toBeSigned(message.Protected, message.Payload), append([]byte{0x84, 0x6a}, "Signature1"...)) {
		t.Error("the Sig_structure has no context")
	}
}

// The claims returned are decoded from the bytes that were verified, once.
func TestAttack_K24_ClaimsComeFromTheVerifiedBytes(t *testing.T) {
	h := newHouse(t)
	token := h.issue(t, verifiertest.Request{})
	payload, err := decodeBase64(strings.Split(token.JWT, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.verifier.VerifyJWT(token.JWT)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(c)
	if err != nil || !bytes.Equal(again, payload) {
		t.Errorf("%v\n%s\n%s", err, payload, again)
	}
	if fromCWT, err := h.verifier.VerifyCWT(token.CWT); err != nil || !bytes.Equal(encode(t, fromCWT), encode(t, c)) {
		t.Errorf("the CWT says something else (%v)", err)
	}
}
