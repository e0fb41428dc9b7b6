package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAttack_U01_Modules holds go.mod to what the code relies on. A second opinion is worth
// something only from a version that is known to give it: the one of go-tdx-guest
// is pinned, and go-sev-guest must be one that ignores roots in evidence.
func TestAttack_U01_Modules(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`(?m)^\tgithub\.com/google/go-tdx-guest v0\.3\.1$`,
		`(?m)^\tgithub\.com/google/go-sev-guest v0\.(1[5-9]|[2-9]\d)\.\d+$`,
		`(?m)^\tgithub\.com/go-chi/chi/v5 v5\.([5-9]|\d\d)\.\d+$`,
	} {
		if !regexp.MustCompile(want).Match(data) {
			t.Errorf("go.mod has no line %s", want)
		}
	}
	if regexp.MustCompile(`(?m)^(replace|exclude)\b`).Match(data) {
		t.Error("go.mod replaces or excludes a module, which breaks go install of a version")
	}
}

// TestModulesAreAccountedFor: what is required directly stands in docs/architecture.md with its reason.
func TestModulesAreAccountedFor(t *testing.T) {
	modules, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## Dependencies")
	direct := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllSubmatch(modules, -1)
	if len(direct) == 0 {
		t.Fatal("go.mod requires nothing, so this shows nothing")
	}
	for _, m := range direct {
		if !strings.Contains(table, "`"+string(m[1])+"`") {
			t.Errorf("docs/architecture.md does not say what %s is for", m[1])
		}
	}
}
