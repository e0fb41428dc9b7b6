package draft_test

import (
	"encoding/json"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/cases"
	"github.com/quotary/quotary/policies/draft"
)

// Whatever claims say, a draft loads, says truly whether it accepts, and relaxes nothing.
func FuzzFromClaims(f *testing.F) {
	for name, claims := range machines(f) {
		data, err := json.Marshal(claims)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := cases.ReadClaims(data); err != nil {
			f.Fatalf("%s: claims as verdicts show them are no claims of cases: %v", name, err)
		}
		f.Add(data, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, references bool) {
		claims, err := cases.ReadClaims(data)
		if err != nil {
			return
		}
		o := options()
		o.References = references
		d, err := draft.FromClaims(claims, o)
		if err != nil {
			if evidence.CodeOf(err) != evidence.CodePolicyClaims {
				t.Errorf("%v", err)
			}
			return
		}
		got := evaluate(load(t, d.YAML), claims)
		if (got.Verdict == policies.Accepted) != d.Accepts {
			t.Errorf("%s, and the draft says %v", got.Verdict, d.Accepts)
		}
		for _, relaxed := range got.Relaxed {
			if relaxed != "trust.simulated" {
				t.Errorf("relaxes %s", relaxed)
			}
		}
	})
}
