package vendors_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/simulators/vendors"
)

// The page lists every fault, as it is, and nothing else.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/simulated-vendors.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range vendors.Faults() {
		row := fmt.Sprintf("| `%s` | %s | `%s` | `%s` |", f.Name, f.Title, f.Service, f.Code)
		if service, kind, transport := strings.Cut(f.Name, "/"); transport && service == f.Service {
			row = fmt.Sprintf("| `/%s` | %s |", kind, f.Title)
		}
		want = append(want, row)
	}
	for _, service := range vendors.Services() {
		want = append(want, fmt.Sprintf("| `%[1]s` | `/%[1]s` |", service))
	}
	slices.Sort(want)
	want = slices.Compact(want)
	for _, row := range want {
		if !strings.Contains(string(page), "\n"+row) {
			t.Errorf("missing: %s", row)
		}
	}
	if got := regexp.MustCompile("(?m)^\\| `").FindAllString(string(page), -1); len(got) != len(want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
}
