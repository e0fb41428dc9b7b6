package tokens

import (
	"bytes"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// A token that is passed on is worth nothing to whom it is not for, and nothing to
// who lacks the key that it names.
func TestAttack_B18_TokenPassedOn(t *testing.T) {
	h := newHouse(t)
	key := verifiertest.NewKey(t)
	token := h.issue(t, verifiertest.Request{Key: key})
	config := h.verifier.config
	config.Audience = "https://another-party.example"
	other, err := NewVerifier(config)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(v *Verifier) map[string]func() (Claims, error) {
		return map[string]func() (Claims, error){
			"JWT": func() (Claims, error) { return v.VerifyJWT(token.JWT) },
			"CWT": func() (Claims, error) { return v.VerifyCWT(token.CWT) },
		}
	}
	for format, atOther := range verify(other) {
		_, err := atOther()
		refused(t, format+" elsewhere", err, evidence.CodeTokenAudience)
		at := h.at
		claims, err := verify(h.verifier)[format]()
		if err != nil || claims.Confirmation == nil || !bytes.Equal(claims.Confirmation.Key().SPKI(), key.SPKI()) {
			t.Errorf("%s: %v, confirms %v", format, err, claims.Confirmation)
		}
		h.at = at.Add(Life + time.Second)
		_, err = verify(h.verifier)[format]()
		refused(t, format+" later", err, evidence.CodeTokenExpired)
		h.at = at
	}
}
