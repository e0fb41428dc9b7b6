package verifier_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"
)

// forgeries are programs that would make a result without an appraisal. None of
// them may compile; the last one, which does not forge, must.
var forgeries = map[string]string{
	"a field by name":       `var r = verifier.Result{r: nil}`,
	"a field by position":   `var r = verifier.Result{nil}`,
	"the inner type":        `var r verifier.result`,
	"its field":             `func f(r verifier.Result) { r.r = nil }`,
	"a conversion":          `type mine struct{ r *int }; var r = verifier.Result(mine{})`,
	"a freshness":           `type mine struct{}; func (mine) sealed() {}; var f verifier.Freshness = mine{}`,
	"a key without parsing": `var r = verifier.Result{key: 1}`,
}

func TestResultCannotBeForged(t *testing.T) {
	check := newChecker(t)
	for name, code := range forgeries {
		if err := check(code); err == nil {
			t.Errorf("this compiles: %s", name)
		}
	}
	if err := check(`var r verifier.Result; var ok = r.Accepted()`); err != nil {
		t.Errorf("a use of the result does not compile: %v", err)
	}
}

// newChecker returns a function that type-checks a program against this package.
// What this package imports is left out: it does not matter here, and costs seconds.
func newChecker(t *testing.T) func(code string) error {
	t.Helper()
	files := token.NewFileSet()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
	}
	lenient := types.Config{Importer: empty{}, IgnoreFuncBodies: true, Error: func(error) {}}
	pkg, _ := lenient.Check(packagePath, files, parsed, nil) // its imports are empty, so there are errors
	return func(code string) error {
		file, err := parser.ParseFile(files, "forgery.go", "package forgery\nimport \""+packagePath+"\"\n"+code, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = (&types.Config{Importer: only{pkg}}).Check("forgery", files, []*ast.File{file}, nil)
		return err
	}
}

const packagePath = "github.com/quotary/quotary/verifier"

// empty imports packages without contents.
type empty struct{}

func (empty) Import(path string) (*types.Package, error) {
	pkg := types.NewPackage(path, filepath.Base(path))
	pkg.MarkComplete()
	return pkg, nil
}

// only imports one package.
type only struct{ pkg *types.Package }

func (o only) Import(string) (*types.Package, error) { return o.pkg, nil }
