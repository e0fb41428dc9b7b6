// Package archtest holds the repository to its architecture: which package may
// import which, where foreign libraries may be used, how large a file may grow.
// It parses the source itself. A test that asked `go list` would be served from
// the test cache and stay green after a violation is added; files that a test
// opens are part of the cache's key.
//
// Start at [Rules]; the table of rooms is in floors.go.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the repository's module path.
const Module = "github.com/quotary/quotary"

// File is one parsed Go file.
type File struct {
	Path  string // relative to the repository, with slashes
	Test  bool   // its name ends in _test.go
	AST   *ast.File
	Lines int
	fset  *token.FileSet
}

// Tree is the repository's source, by folder; "." is its root.
type Tree map[string][]*File

// Violation is one breach of a rule.
type Violation struct {
	Rule  string
	Where string // path, path:line or package
	What  string
}

func (v Violation) String() string { return fmt.Sprintf("%s: %s: %s", v.Where, v.Rule, v.What) }

// Load parses all Go files of the module in fsys. It leaves out nested modules,
// testdata and hidden folders.
func Load(fsys fs.FS) (Tree, error) {
	tree := Tree{}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if skipped(fsys, name) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		file, err := parse(fsys, name)
		if err != nil {
			return err
		}
		tree[path.Dir(name)] = append(tree[path.Dir(name)], file)
		return nil
	})
	return tree, err
}

func skipped(fsys fs.FS, dir string) bool {
	if dir == "." {
		return false
	}
	if _, err := fs.Stat(fsys, path.Join(dir, "go.mod")); err == nil {
		return true
	}
	base := path.Base(dir)
	return base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")
}

func parse(fsys fs.FS, name string) (*File, error) {
	source, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &File{
		Path: name, Test: strings.HasSuffix(name, "_test.go"), AST: parsed,
		Lines: strings.Count(string(source), "\n"), fset: fset,
	}, nil
}

// Dirs lists the folders of t, sorted.
func (t Tree) Dirs() []string {
	dirs := make([]string, 0, len(t))
	for dir := range t {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return dirs
}

// Code returns the files of dir that are not tests.
func (t Tree) Code(dir string) []*File {
	var files []*File
	for _, f := range t[dir] {
		if !f.Test {
			files = append(files, f)
		}
	}
	return files
}

// Imports lists the paths that f imports.
func (f *File) Imports() []string {
	paths := make([]string, 0, len(f.AST.Imports))
	for _, spec := range f.AST.Imports {
		paths = append(paths, importPath(spec))
	}
	return paths
}

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value
	}
	return p
}

// Uses lists what f names of an imported package: "ParseIP" for net.ParseIP. A
// dot import counts as "." alone.
func (f *File) Uses(imported string) []Use {
	local := ""
	for _, spec := range f.AST.Imports {
		if importPath(spec) != imported {
			continue
		}
		local = path.Base(imported)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if local == "." {
			return []Use{{".", f.At(spec)}}
		}
	}
	if local == "" {
		return nil
	}
	var uses []Use
	ast.Inspect(f.AST, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := selector.X.(*ast.Ident); ok && x.Name == local {
			uses = append(uses, Use{selector.Sel.Name, f.At(selector)})
		}
		return true
	})
	return uses
}

// Use is one mention of an imported package's name.
type Use struct {
	Name  string
	Where string
}

// At returns the path and line of a node.
func (f *File) At(node ast.Node) string {
	return fmt.Sprintf("%s:%d", f.Path, f.fset.Position(node.Pos()).Line)
}

// within reports whether dir is root or lies in it.
func within(dir, root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") }

// withinAny reports whether dir is or lies in one of roots.
func withinAny(dir string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return within(dir, root) })
}

// own returns the folder of an import of this module.
func own(imported string) (dir string, ok bool) {
	if imported == Module {
		return ".", true
	}
	return strings.CutPrefix(imported, Module+"/")
}
