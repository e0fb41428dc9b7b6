package verifier_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
	simulated "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	snpverifier "github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier"
)

// machines are one of every sort of evidence.
func (w *world) machines() map[string]tee.Attester {
	w.t.Helper()
	all := map[string]tee.Attester{"tpm": w.tpm("review", simulated.MachineOptions{})}
	for _, kind := range []evidence.Kind{evidence.KindSEVSNP, evidence.KindTDX} {
		for name, pair := range w.composites(kind) {
			all[fmt.Sprint(kind, " ", name)] = pair[0]
		}
	}
	return all
}

// recorded are the claims of a machine that is accepted, as a ledger has them.
func (w *world) recorded(machine tee.Attester) []evidence.Claims {
	w.t.Helper()
	result := appraise(w.t, w.service, w.attempt(machine))
	if !result.Accepted() {
		w.t.Fatalf("%s: %v", result.Verdict(), result.Checks().Failed())
	}
	return decoded(w.t, encoded(w.t, result.Claims()))
}

func encoded(tb testing.TB, claims []evidence.Claims) string {
	tb.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func decoded(tb testing.TB, text string) (claims []evidence.Claims) {
	tb.Helper()
	if err := json.Unmarshal([]byte(text), &claims); err != nil {
		tb.Fatal(err)
	}
	return claims
}

// failures are the failed checks as "kind code".
func failures(checks evidence.Checks) (all []string) {
	for _, check := range checks.Failed() {
		all = append(all, fmt.Sprint(check.Kind, " ", check.Code))
	}
	return all
}

// TestReviewOfAccepted: right after it was accepted a machine stands, in every respect; and
// also when nothing is at hand any more, or much later.
func TestReviewOfAccepted(t *testing.T) {
	w := newWorld(t)
	for name, machine := range w.machines() {
		t.Run(name, func(t *testing.T) {
			recorded := w.recorded(machine)
			for _, later := range []time.Duration{0, 10 * 365 * 24 * time.Hour} {
				for _, without := range []bool{false, true} {
					v := w.configured(func(c *verifier.Config) {
						c.Now = func() time.Time { return w.at.Add(later) }
						if without {
							c.Endorsements = nil
						}
					})
					claims, checks := v.Review(recorded)
					if failed := failures(checks); failed != nil || encoded(t, claims) != encoded(t, recorded) {
						t.Errorf("after %v, without %v: %v\nby now   %s\nrecorded %s", later, without, failed, encoded(t, claims), encoded(t, recorded))
					}
				}
			}
		})
	}
}

// TestReviewOfConsents: what the service does not accept any more fails, whoever vouches for it.
func TestReviewOfConsents(t *testing.T) {
	w := newWorld(t)
	machine := w.composites(evidence.KindSEVSNP)["key digest"][0]
	recorded := w.recorded(machine)
	noRoot, err := snpverifier.New()
	if err != nil {
		t.Fatal(err)
	}
	without := func(kind evidence.Kind, instead ...tee.Verifier) func(*verifier.Config) {
		return func(c *verifier.Config) {
			others := slices.DeleteFunc(slices.Clone(c.Technologies), func(v tee.Verifier) bool { return v.Kind() == kind })
			c.Technologies = append(others, instead...)
		}
	}
	for name, c := range map[string]struct {
		alter func(*verifier.Config)
		want  []string
	}{
		"nothing":          {func(*verifier.Config) {}, nil},
		"no simulation":    {func(c *verifier.Config) { c.AcceptSimulated = false }, []string{"sev-snp trust.simulated", "tpm trust.simulated"}},
		"no SEV-SNP":       {without(evidence.KindSEVSNP), []string{"sev-snp evidence.kind-unsupported"}},
		"no TPM":           {without(evidence.KindTPM), []string{"tpm evidence.kind-unsupported"}},
		"no root":          {without(evidence.KindSEVSNP, noRoot), []string{"sev-snp review.trust-anchor"}},
		"no reviewer":      {without(evidence.KindSEVSNP, &teetest.Technology{Of: evidence.KindSEVSNP}), nil},
		"a reviewer fails": {without(evidence.KindSEVSNP, panicking{&teetest.Technology{Of: evidence.KindSEVSNP}}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			v := w.configured(c.alter)
			backwards := slices.Clone(recorded)
			slices.Reverse(backwards)
			for _, order := range [][]evidence.Claims{recorded, backwards} {
				claims, checks := v.Review(order)
				if got := failures(checks); !slices.Equal(got, c.want) || len(claims) != len(order) {
					t.Errorf("failed %v, want %v", got, c.want)
				}
				for i := range claims {
					if claims[i].Kind != order[i].Kind {
						t.Errorf("claims of %s in the place of %s", claims[i].Kind, order[i].Kind)
					}
				}
			}
		})
	}
}

// panicking is a technology whose reviewer does not keep its contract.
type panicking struct{ tee.Verifier }

func (panicking) Review(evidence.Claims, *tee.Endorsements, tee.Params) (evidence.Claims, evidence.Checks) {
	panic("a fault")
}

// TestReviewOfRevoked: what was revoked since fails, and is told by item; the key of a
// TPM falls with what vouches for it, and by itself.
func TestReviewOfRevoked(t *testing.T) {
	w := newWorld(t)
	covering := w.recorded(w.composites(evidence.KindSEVSNP)["covering"][0])
	ark, ask := w.SEVSNP.ARK(), w.SEVSNP.ASK().Certificate
	crl, err := ark.CRL(sevsnp.CRLOptions{Number: 99, ThisUpdate: w.at, NextUpdate: w.at.AddDate(1, 0, 0), Revoked: []*x509.Certificate{ask}})
	if err != nil {
		t.Fatal(err)
	}
	e := &tee.Endorsements{}
	e.AddCRL(crl)
	revoked := &keyStates{
		key: tee.SimulatedID(evidence.Digest(covering[1].TPM.AKSHA256)), state: tee.KeyState{Revoked: true}, scope: "any",
	}
	v := w.configured(func(c *verifier.Config) {
		c.Endorsements, c.KeyStates = func() *tee.Endorsements { return e }, revoked
	})
	_, checks := v.Review(covering)
	if got, want := failures(checks), []string{"sev-snp sev-snp.revocation", "tpm tpm.ak-revoked"}; !slices.Equal(got, want) {
		t.Errorf("failed %v, want %v", got, want)
	}
	revoked.state.Superseded = true
	if _, checks := v.Review(covering); len(checks.Failed()) != 1 {
		t.Errorf("superseded: %v", checks)
	}
}

// FuzzReview: claims come from a database. Whatever they are, a review ends, and
// no reviewer fails.
func FuzzReview(f *testing.F) {
	w := newWorld(f)
	for _, machine := range w.machines() {
		f.Add(encoded(f, w.recorded(machine)))
	}
	published := w.config.Endorsements()
	v := w.configured(func(c *verifier.Config) { c.Endorsements = func() *tee.Endorsements { return published } })
	for _, text := range []string{`[]`, `[{}]`, `[{"kind":"tpm"},{"kind":"tpm"}]`, `[{"kind":"tpm","tpm":{"ak_vouched_by":"tdx"},"trust_anchor":{}}]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var recorded []evidence.Claims
		if json.Unmarshal([]byte(text), &recorded) != nil {
			return
		}
		claims, checks := v.Review(recorded)
		if len(claims) != len(recorded) {
			t.Fatalf("%d claims of %d", len(claims), len(recorded))
		}
		for _, check := range checks {
			if check.Code == evidence.CodeReviewClaims && strings.HasSuffix(check.Got, "verifier failed") {
				t.Fatal(check)
			}
		}
	})
}
