package machines_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/simulators/machines"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/simulators.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDocumentedSpecs: every description in the documentation makes a machine, and each
// technology has one.
func TestDocumentedSpecs(t *testing.T) {
	var shown []machines.Technology
	for _, block := range yamlBlock.FindAllStringSubmatch(page(t), -1) {
		spec, err := machines.Parse("docs/simulators.md", []byte(block[1]))
		if err != nil {
			t.Errorf("%s\n%v", block[1], err)
			continue
		}
		shown = append(shown, spec.Technology)
		if spec.TPM.Backend == machines.SWTPM {
			spec.TPM.Backend = machines.InProcess // which every machine has that runs tests
		}
		newMachine(t, spec)
	}
	for _, technology := range machines.Technologies() {
		if !slices.Contains(shown, technology) {
			t.Errorf("no description of technology %s", technology)
		}
	}
}

// TestDocumentedFaults: the list of faults in the documentation is the list of faults.
func TestDocumentedFaults(t *testing.T) {
	var want []string
	for _, f := range machines.Faults() {
		var on, needs []string
		for _, technology := range f.Technologies {
			on = append(on, technology.String())
		}
		if f.After > 0 {
			needs = append(needs, fmt.Sprintf("%d accepted before", f.After))
		}
		if f.Measuring {
			needs = append(needs, "`ima`")
		}
		if f.Pinned {
			needs = append(needs, "`pinned`")
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | %s | `%s` | %s |", f.Name, f.Title, strings.Join(on, ", "), f.Code, strings.Join(needs, ", ")))
	}
	_, list, _ := strings.Cut(page(t), "| fault | what is wrong | technologies | refused with | needs |\n| --- | --- | --- | --- | --- |\n")
	list, _, _ = strings.Cut(list, "\n\n")
	got := strings.Split(strings.TrimSpace(list), "\n")
	for _, row := range want {
		if !slices.Contains(got, row) {
			t.Errorf("missing in docs/simulators.md: %s", row)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d faults in docs/simulators.md, not %d", len(got), len(want))
	}
}
