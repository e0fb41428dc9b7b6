package draft_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/draft"
)

func evaluate(set *policies.Set, claims []evidence.Claims) policies.Decision {
	return set.Evaluate(policies.Input{Claims: claims, Now: now, SimulatedAccepted: true})
}

// A draft accepts the machine that it was made of, with its values in the workload
// and in reference values.
func TestAcceptsItsMachine(t *testing.T) {
	for name, claims := range machines(t) {
		for _, references := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				o := options()
				o.References = references
				d, err := draft.FromClaims(claims, o)
				if err != nil {
					t.Fatal(err)
				}
				got := evaluate(load(t, d.YAML), claims)
				if !d.Accepts || got.Verdict != policies.Accepted {
					t.Errorf("%s: %v\n%s", got.Verdict, got.Checks.Failed(), d.YAML)
				}
				for _, relaxed := range got.Relaxed {
					if relaxed != "trust.simulated" {
						t.Errorf("relaxes %s", relaxed)
					}
				}
				if len(d.Warnings) == 0 || !strings.Contains(d.Warnings[0], "of itself") {
					t.Errorf("warnings %q", d.Warnings)
				}
			})
		}
	}
}

var commented = regexp.MustCompile(`(?m)^( *)#([a-z])`)

// What is written as a comment can be put in force as it is.
func TestCommentsAreKeys(t *testing.T) {
	for name, claims := range machines(t) {
		o := options()
		o.Simulated = false
		d, err := draft.FromClaims(claims, o)
		if err != nil {
			t.Fatal(name, err)
		}
		if d.Accepts || evaluate(load(t, d.YAML), claims).Verdict == policies.Accepted {
			t.Errorf("%s: simulated evidence is accepted without consent", name)
		}
		text := commented.ReplaceAll(d.YAML, []byte("$1$2"))
		if got := evaluate(load(t, text), claims); got.Verdict != policies.Accepted {
			t.Errorf("%s: %s %v\n%s", name, got.Verdict, got.Checks.Failed(), text)
		}
	}
}
