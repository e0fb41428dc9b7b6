package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// a file of this repository in backquotes, such as `verifier/items.go`
	namedFile = regexp.MustCompile("`([a-z][a-zA-Z0-9_./-]*/[a-zA-Z0-9_.-]+\\.(?:go|md|yaml|json|mod))`")
	// a link to a file, such as [text](docs/binding.md)
	linkedFile = regexp.MustCompile(`\]\(([^)#:]+)\)`)
	// `file.go` `Function`: the function must be in the file
	namedFunction = regexp.MustCompile("`([a-z][a-zA-Z0-9_./-]*/[a-zA-Z0-9_]+\\.go)` `([A-Za-z]+)`")
)

// TestDocumentsNameWhatExists holds the documents to the tree: files that they
// name or link exist, and functions that they name are in those files.
func TestDocumentsNameWhatExists(t *testing.T) {
	root := filepath.Join("..", "..")
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")) {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		name, text := filepath.Base(page), string(data)
		for _, m := range namedFile.FindAllStringSubmatch(text, -1) {
			mustExist(t, name, filepath.Join(root, m[1]))
		}
		for _, m := range linkedFile.FindAllStringSubmatch(text, -1) {
			mustExist(t, name, filepath.Join(filepath.Dir(page), m[1]))
		}
		for _, m := range namedFunction.FindAllStringSubmatch(text, -1) {
			source, err := os.ReadFile(filepath.Join(root, m[1]))
			if err != nil || !regexp.MustCompile(`(?m)^func (\([^)]*\) )?`+m[2]+`\(`).Match(source) {
				t.Errorf("%s: there is no function %s in %s", name, m[2], m[1])
			}
		}
	}
}

func mustExist(t *testing.T, page, path string) {
	t.Helper()
	if strings.ContainsAny(path, "*…") {
		return
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("%s: %v", page, err)
	}
}
