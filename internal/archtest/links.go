package archtest

import (
	"slices"
	"strings"
)

// programs are the binaries that stand for the real service, its client and its
// agent: nothing simulated may be in them.
var programs = []string{"cmd/quotaryd", "cmd/quotary", "cmd/quotary-agent"}

// unsimulated reports programs that link a simulator, with the way to it.
func unsimulated(t Tree) []Violation {
	var out []Violation
	for _, program := range programs {
		for _, way := range t.reach(program) {
			if withinAny(way[len(way)-1], "simulators") {
				out = append(out, Violation{"no simulators in programs", program, strings.Join(way, " → ")})
			}
		}
	}
	return out
}

// untested reports commands that link package testing through ours.
func untested(t Tree) []Violation {
	var out []Violation
	for _, dir := range t.Dirs() {
		if !within(dir, "cmd") {
			continue
		}
		for _, way := range t.reach(dir) {
			if t.imports(way[len(way)-1], "testing") {
				out = append(out, Violation{"no testing in programs", dir, strings.Join(way, " → ") + " → testing"})
			}
		}
	}
	return out
}

// reach returns the ways by which dir's code reaches folders of this module, one
// for each, dir itself first.
func (t Tree) reach(dir string) [][]string {
	if len(t[dir]) == 0 {
		return nil
	}
	ways := [][]string{{dir}}
	seen := map[string]bool{dir: true}
	for i := 0; i < len(ways); i++ {
		way := ways[i]
		for _, file := range t.Code(way[len(way)-1]) {
			for _, imported := range file.Imports() {
				if next, ok := own(imported); ok && !seen[next] {
					seen[next] = true
					ways = append(ways, append(slices.Clone(way), next))
				}
			}
		}
	}
	return ways
}

// imports reports whether dir's code imports a package, or one beneath it.
func (t Tree) imports(dir, imported string) bool {
	return slices.ContainsFunc(t.Code(dir), func(f *File) bool {
		return slices.ContainsFunc(f.Imports(), func(p string) bool { return within(p, imported) })
	})
}
