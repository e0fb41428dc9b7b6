package tokens

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// earlierEAR is what a reader of earlier drafts looks for: these names alone.
type earlierEAR struct {
	Verifier   map[string]string `json:"ear.verifier-id"`
	Submodules map[string]struct {
		Status string          `json:"ear.status"`
		Vector map[string]int8 `json:"ear.trustworthiness-vector"`
		Policy string          `json:"ear.appraisal-policy-id"`
	} `json:"submods"`
}

func decodePayload(tb testing.TB, token string, v any) {
	tb.Helper()
	payload, err := decodeBase64(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, v)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// With the compatible names a JWT says the same twice, to readers of this draft and of earlier
// ones; without them, and in a CWT, it says it once.
func TestCompatibleNames(t *testing.T) {
	h := newHouse(t)
	both, err := NewIssuer(Config{Key: h.issuer.key, Issuer: issuerName, Build: "v0.0.0-test", CompatibleNames: true, Now: h.issuer.now})
	if err != nil {
		t.Fatal(err)
	}
	result := verifiertest.Accepted(t, verifiertest.Request{At: h.at})
	token, err := both.Issue(result, Options{Audience: audience})
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.verifier.VerifyJWT(token.JWT)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(token.Claims, c, cmp.Comparer(func(a, b *Confirmation) bool { return a.Key().Equal(b.Key()) })); diff != "" {
		t.Errorf("the names of this draft: %s", diff)
	}
	var earlier earlierEAR
	decodePayload(t, token.JWT, &earlier)
	if earlier.Verifier["developer"] != developer || earlier.Verifier["build"] != "v0.0.0-test" || len(earlier.Verifier) != 2 {
		t.Errorf("ear.verifier-id is %v", earlier.Verifier)
	}
	if len(earlier.Submodules) != len(c.Submodules) {
		t.Fatalf("%d submodules, want %d", len(earlier.Submodules), len(c.Submodules))
	}
	for name, s := range c.Submodules {
		got := earlier.Submodules[name]
		vector := map[string]int8{}
		text, err := json.Marshal(s.Vector)
		if err == nil {
			err = json.Unmarshal(text, &vector)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got.Status != s.Status.String() || got.Policy != s.Policies[0] || !cmp.Equal(got.Vector, vector) || len(vector) == 0 {
			t.Errorf("%s is %+v under earlier names, %+v under those of this draft", name, got, s)
		}
	}
	if claims, err := h.verifier.VerifyCWT(token.CWT); err != nil || claims.Status != c.Status {
		t.Errorf("the CWT: %v", err)
	}
	var once map[string]json.RawMessage
	decodePayload(t, h.issue(t, verifiertest.Request{}).JWT, &once)
	if _, there := once["ear.verifier-id"]; there || once["ear_verifier_id"] == nil {
		t.Error("the names of earlier drafts are there though nobody asked for them")
	}
}

// What a token says under the names of earlier drafts is not what our own verifier goes by.
func TestAttack_K19_EarlierNamesDecideNothing(t *testing.T) {
	h := newHouse(t)
	var claims map[string]any
	decodePayload(t, h.issue(t, verifiertest.Request{}).JWT, &claims)
	for _, s := range claims["submods"].(map[string]any) {
		s := s.(map[string]any)
		s["ear.status"], s["ear_status"] = "affirming", "none"
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.verifier.VerifyJWT(h.signJWS(t, h.goodHeader(), payload))
	refused(t, "better under earlier names", err, evidence.CodeTokenClaims)
}
