package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/simulators/scenarios"
	"github.com/quotary/quotary/simulators/vendors"
)

// TestRunScenarios runs one that comes along, and files that go well, otherwise, or not
// at all.
func TestRunScenarios(t *testing.T) {
	const head = "name: mine\ntitle: mine\nseed: shared\nmachines:\n  - {name: web, technology: sev-snp, kernel: {file: kernel}}\nsteps:\n"
	dir := t.TempDir()
	for name, content := range map[string]string{
		"good.yaml":      head + "  - {attest: web, expect: accepted}\n",
		"other.yaml":     head + "  - {attest: web, expect: refused, codes: [policy.workload]}\n",
		"broken.yaml":    head + "  - {relay: web, expect: accepted}\n",
		"malformed.yaml": head + "  - {attest: web}\n",
		"kernel":         "a kernel",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, test := range []struct {
		args   string
		code   int
		totals scenarios.Totals
		says   string // on standard error
	}{
		{"good.yaml", exitDone, scenarios.Totals{Scenarios: 1, Met: 1, Steps: 1}, "mine: mine"},
		{"--library runtime-registers", exitDone, scenarios.Totals{Scenarios: 1, Met: 1, Steps: 5}, ""},
		{"other.yaml broken.yaml", exitFailed, scenarios.Totals{Scenarios: 2, Other: 1, Failed: 1, Steps: 2}, "of 2 scenarios 1 went another way than they must, 1 could not be run"},
		{"--quiet broken.yaml", exitUsage, scenarios.Totals{Scenarios: 1, Failed: 1, Steps: 1}, "1 could not be run"},
		{"malformed.yaml", exitUsage, scenarios.Totals{}, "malformed.yaml:7:5: say what must come of it"},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"run", "-o", "json"}, strings.Fields(test.args)...), &out, &errs)
		var report struct{ Totals scenarios.Totals }
		if out.Len() > 0 {
			if err := json.Unmarshal(out.Bytes(), &report); err != nil {
				t.Fatal(err)
			}
		}
		if code != test.code || report.Totals != test.totals || !strings.Contains(errs.String(), test.says) {
			t.Errorf("%s: exit %d, %+v\n%s%s", test.args, code, report.Totals, errs.String(), out.String())
		}
	}
}

// TestListFaults lists each fault once, with all that there is to say.
func TestListFaults(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"faults", "-o", "json"}, &out, &errs); code != exitDone {
		t.Fatal(errs.String())
	}
	var all []fault
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != len(machines.Faults())+len(vendors.Faults()) {
		t.Errorf("%d faults", len(all))
	}
	seen := map[string]bool{}
	for _, f := range all {
		if seen[f.Name] || f.Title == "" || f.Code.IsZero() || len(f.Applies) == 0 {
			t.Errorf("%+v", f)
		}
		seen[f.Name] = true
	}
}
