package attacks_test

import (
	"os"
	"testing"

	"github.com/quotary/quotary/simulators/attacks"
)

// TestSuite tries every row on a real service in this process.
func TestSuite(t *testing.T) {
	report, err := attacks.Run(t.Context(), target(t), attacks.Selection{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Verdict != attacks.Held && r.Verdict != attacks.Skipped {
			t.Errorf("%s, %s: %s; got %s", r.Row, r.Case, r.Reason, r.Got)
		}
	}
	if testing.Verbose() {
		if err := report.Text(os.Stdout); err != nil {
			t.Error(err)
		}
	}
}
