package policies_test

import (
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// attack is evidence that differs from what a policy accepts in one respect.
type attack struct {
	name   string
	policy string // the document; it must accept the evidence before the change
	change func(*evidence.Claims)
	code   evidence.Code // what must deny it
}

func runAttacks(t *testing.T, good func() evidence.Claims, attacks []attack) {
	t.Helper()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			set := load(t, a.policy)
			wantVerdict(t, evaluate(set, good()), policies.Accepted, evidence.Code{})
			c := good()
			a.change(&c)
			d := evaluate(set, c)
			wantVerdict(t, d, policies.Rejected, a.code)
			if failed := d.Checks.Failed(); len(failed) != 2 { // policy.workload and the check itself
				t.Errorf("failed:\n%s", list(failed))
			}
		})
	}
}

// wantUnsafe checks that a document does not load because it is unsafe.
func wantUnsafe(t *testing.T, text string) {
	t.Helper()
	if problems := loadErr(t, text); !strings.Contains(problems, "policy.unsafe") {
		t.Errorf("%s\n%s", text, problems)
	}
}
