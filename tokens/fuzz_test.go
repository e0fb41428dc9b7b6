package tokens

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// FuzzVerify feeds tokens that nobody signed: none but the seed passes, and none
// does harm.
func FuzzVerify(f *testing.F) {
	h := newHouse(f)
	claims := h.issue(f, verifiertest.Request{Kinds: evidence.Kinds()}).Claims
	claims.ID = ID{1, 2, 3} // the same in every process of the fuzzer
	token, err := h.issuer.encode(claims, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(token.JWT))
	f.Add(token.CWT)
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := h.verifier.VerifyJWT(string(data)); err == nil && c.ID != token.ID {
			t.Errorf("a JWT that was not issued: %s", data)
		}
		if c, err := h.verifier.VerifyCWT(data); err == nil && c.ID != token.ID {
			t.Errorf("a CWT that was not issued: %x", data)
		}
	})
}

// FuzzClaimsJSON feeds claims under a good signature: what passes says the same
// in both encodings.
func FuzzClaimsJSON(f *testing.F) {
	h := newHouse(f)
	seed, _ := json.Marshal(h.issue(f, verifiertest.Request{Kinds: evidence.Kinds()}).Claims)
	f.Add(seed)
	if data, err := os.ReadFile(filepath.Join("testdata", "claims.json")); err == nil {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeClaimsJSON(data)
		if err != nil {
			return
		}
		if _, err := h.lenient.check(c); err != nil {
			return
		}
		fromCBOR, err := decodeClaimsCBOR(encode(t, c))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c, fromCBOR, sameClaims, emptyIsNil); d != "" {
			t.Error(d)
		}
	})
}

// FuzzClaimsCBOR is FuzzClaimsJSON the other way round.
func FuzzClaimsCBOR(f *testing.F) {
	h := newHouse(f)
	f.Add(encode(f, h.issue(f, verifiertest.Request{Kinds: evidence.Kinds()}).Claims))
	if data, err := os.ReadFile(filepath.Join("testdata", "claims.cbor")); err == nil {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeClaimsCBOR(data)
		if err != nil {
			return
		}
		if _, err := h.lenient.check(c); err != nil {
			return
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		fromJSON, err := decodeClaimsJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c, fromJSON, sameClaims, emptyIsNil); d != "" {
			t.Error(d)
		}
	})
}

// emptyIsNil compares byte strings, lists and maps by their contents.
var emptyIsNil = cmp.Options{
	cmp.Comparer(func(a, b Bytes) bool { return bytes.Equal(a, b) }),
	cmp.FilterValues(func(a, b []string) bool { return len(a) == 0 && len(b) == 0 }, cmp.Comparer(func(_, _ []string) bool { return true })),
	cmp.FilterValues(func(a, b map[string]Bytes) bool { return len(a) == 0 && len(b) == 0 }, cmp.Comparer(func(_, _ map[string]Bytes) bool { return true })),
}

// FuzzKeySets feeds key sets: what passes is written as it was meant.
func FuzzKeySets(f *testing.F) {
	h := newHouse(f)
	text, _ := h.issuer.Keys().JSON()
	binary, _ := h.issuer.Keys().CBOR()
	f.Add(text)
	f.Add(binary)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func([]byte) (KeySet, error){ParseKeySet, ParseCOSEKeySet} {
			set, err := parse(data)
			if err != nil {
				continue
			}
			written, err := set.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := ParseKeySet(written); err != nil || again.Len() != set.Len() {
				t.Errorf("%v: %s", err, written)
			}
		}
	})
}
