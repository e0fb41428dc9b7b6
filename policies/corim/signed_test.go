package corim_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/veraison/go-cose"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/corim"
)

// Who signed stands in either of two headers, each with a validity of its own.
func TestSignerHeaders(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize))
	keys := []policies.ReferenceKey{{Name: "acme", Public: key.Public()}}
	by, err := cose.NewSigner(cose.AlgorithmEdDSA, key)
	if err != nil {
		t.Fatal(err)
	}
	payload := export(t, snpText, corim.ExportOptions{})
	end := now.Add(time.Hour)
	meta := func(name string) []byte {
		return marshal(t, object{0: object{0: name, 1: tag(32, "https://acme.example")}, 1: object{1: tag(1, end.Unix())}})
	}
	for name, c := range map[string]struct {
		headers map[any]any
		code    evidence.Code
	}{
		"meta":                 {map[any]any{int64(8): meta("ACME")}, evidence.Code{}},
		"claims":               {map[any]any{int64(15): object{1: "ACME", 4: end.Unix(), 5: now.Unix()}}, evidence.Code{}},
		"both":                 {map[any]any{int64(8): meta("ACME"), int64(15): object{1: "ACME"}}, evidence.Code{}},
		"two names":            {map[any]any{int64(8): meta("ACME"), int64(15): object{1: "EMCA"}}, evidence.CodeCoRIMUnsupported},
		"neither":              {nil, evidence.CodeCoRIMSignature},
		"a further claim":      {map[any]any{int64(15): object{1: "ACME", 3: "aud"}}, evidence.CodeCoRIMUnsupported},
		"an expired signature": {map[any]any{int64(15): object{1: "ACME", 4: now.Unix()}}, evidence.CodeCoRIMValidity},
		"one of tomorrow":      {map[any]any{int64(15): object{1: "ACME", 5: end.Unix()}}, evidence.CodeCoRIMValidity},
		"a hash in its place":  {map[any]any{int64(8): meta("ACME"), int64(258): -16}, evidence.CodeCoRIMSignature},
		"another content":      {map[any]any{int64(8): meta("ACME"), int64(3): "application/cbor"}, evidence.CodeCoRIMSignature},
	} {
		protected := cose.ProtectedHeader{int64(1): cose.AlgorithmEdDSA, int64(3): "application/rim+cbor"}
		for label, value := range c.headers {
			protected[label] = value
		}
		data, err := cose.Sign1(rand.Reader, by, cose.Headers{Protected: protected}, payload, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := corim.Import(data, corim.ImportOptions{Now: now, Keys: keys})
		switch {
		case evidence.CodeOf(err) != c.code:
			t.Errorf("%s: %v", name, err)
		case err == nil && (!strings.Contains(string(got.YAML), "signed by ACME with key acme") || !load(t, got.YAML).References()[0].NotAfter.Equal(end)):
			t.Errorf("%s:\n%s", name, got.YAML)
		}
	}
}
