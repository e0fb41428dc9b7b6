package attacks

import (
	"os"
	"testing"
)

// TestSuite tries every row on a real service in this process.
func TestSuite(t *testing.T) {
	report, err := Run(t.Context(), service(t), Selection{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Verdict != Held && r.Verdict != Skipped {
			t.Errorf("%s, %s: %s; got %s %v", r.Row, r.Case, r.Reason, r.Got, r.Got.Code)
		}
	}
	if testing.Verbose() {
		if err := report.Text(os.Stdout); err != nil {
			t.Error(err)
		}
	}
}
