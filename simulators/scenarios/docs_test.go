package scenarios_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/simulators/scenarios"
)

// TestDocumentation holds docs/scenarios.md to the code: its scenarios can be run, every
// key is there, and every scenario that comes along.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "scenarios.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	for _, example := range examples {
		s, err := scenarios.Parse("scenarios.md", example[1])
		if err != nil {
			t.Fatal(err)
		}
		if out := scenarios.Run(t.Context(), s, nil); out.Verdict != scenarios.Met {
			t.Errorf("%s: %s", s.Name, out.Reason)
		}
	}
	if len(examples) != 2 {
		t.Errorf("%d examples", len(examples))
	}
	var words []string
	keys(reflect.TypeFor[scenarios.Scenario](), &words)
	all, err := scenarios.Library()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		words = append(words, s.Name)
	}
	for _, word := range words {
		if !regexp.MustCompile("`[^`\n]*\\b" + regexp.QuoteMeta(word) + "\\b[^`\n]*`").Match(page) {
			t.Errorf("the page does not name %s", word)
		}
	}
}

// keys lists the keys that a file may have, but for those of machines, which another page
// has.
func keys(of reflect.Type, names *[]string) {
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || of == reflect.TypeFor[machines.Spec]() {
		return
	}
	for f := range of.Fields() {
		if name := f.Tag.Get("yaml"); name != "" && !strings.HasPrefix(name, "-") {
			*names = append(*names, name)
			keys(f.Type, names)
		}
	}
}
