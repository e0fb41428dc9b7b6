package archtest

import (
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

// load reads the repository's source once for all tests.
var load = sync.OnceValues(func() (Tree, error) { return Load(os.DirFS("../..")) })

// repository is the repository's source.
func repository(t *testing.T) Tree {
	t.Helper()
	tree, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestRepository holds the whole repository to every rule.
func TestRepository(t *testing.T) {
	tree := repository(t)
	if len(tree) < 5 || len(tree["evidence"]) == 0 {
		t.Fatalf("only %d packages found; this is not the repository", len(tree))
	}
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			for _, violation := range rule.Check(tree) {
				t.Error(violation)
			}
		})
	}
}

// sample is a repository of a few files that breaks a rule, or none.
type sample struct {
	name  string
	rule  string            // of Rules, or empty where nothing is wrong
	files map[string]string // path to source; a source without "package" gets a proper head
}

// q imports a package of this module.
func q(dirs ...string) string {
	var b strings.Builder
	for _, dir := range dirs {
		b.WriteString("import _ \"" + Module + "/" + dir + "\"\n")
	}
	return b.String()
}

var samples = []sample{
	{"a floor down", "", map[string]string{"evidence/a.go": "", "tee/tdx/a.go": q("evidence", "tee"), "tee/a.go": q("evidence")}},
	{"two floors up", "arrows", map[string]string{"evidence/a.go": q("verifier"), "verifier/a.go": ""}},
	{"the same floor", "arrows", map[string]string{"tee/tdx/a.go": q("tee/sevsnp"), "tee/sevsnp/a.go": ""}},
	{"the same floor, deeper", "arrows", map[string]string{"ca/a.go": q("tokens/jwt"), "tokens/jwt/a.go": ""}},
	{"the contract knows an implementation", "arrows", map[string]string{"tee/a.go": q("tee/tdx"), "tee/tdx/a.go": ""}},
	{"the verifier knows the authority", "arrows", map[string]string{"verifier/a.go": q("ca"), "ca/a.go": ""}},
	{"a room without floor", "arrows", map[string]string{"util/a.go": ""}},
	{"an import without floor", "arrows", map[string]string{"ca/a.go": q("nowhere")}},
	{"simulators among themselves", "", map[string]string{"simulators/a.go": "", "simulators/snp/a.go": q("simulators", "tee")}},
	{"a test looks up", "", map[string]string{"evidence/a.go": "", "evidence/a_test.go": "package evidence_test\n" + q("internal/server")}},

	{"the service knows a TEE library", "fences", map[string]string{"internal/server/a.go": `import _ "github.com/google/go-sev-guest/abi"`}},
	{"the contract knows a TEE library", "fences", map[string]string{"tee/a.go": `import _ "github.com/google/go-tpm/tpm2"`}},
	{"a room with a like name", "", map[string]string{"evidence/a.go": `import _ "github.com/google/go-tpmlike"`}},
	{"a driver in the service", "fences", map[string]string{"cmd/quotaryd/a.go": "// Command quotaryd x.\npackage main\nimport _ \"modernc.org/sqlite\""}},
	{"SQL in the authority", "fences", map[string]string{"ca/a.go": `import _ "database/sql"`}},
	{"HTTP in a verifier", "fences", map[string]string{"tee/tdx/a.go": `import _ "net/http"`}},
	{"HTTP in the core", "fences", map[string]string{"verifier/a.go": `import _ "net/http/httputil"`}},
	{"HTTP in the client", "", map[string]string{"client/a.go": `import _ "net/http"`}},
	{"a dependency left out", "fences", map[string]string{"tee/tpm/a.go": `import _ "github.com/google/go-tpm-tools/server"`}},
	{"a verifier dials", "offline", map[string]string{"tee/tdx/a.go": "import \"net\"\nvar x, err = net.Dial(`tcp`, ``)"}},
	{"a verifier dials by another name", "offline", map[string]string{"tee/tdx/a.go": "import n \"net\"\nvar x, err = n.Dial(`tcp`, ``)"}},
	{"a verifier dials by no name", "offline", map[string]string{"tee/tdx/a.go": "import . \"net\"\nvar x, err = Dial(`tcp`, ``)"}},
	{"an authority listens", "offline", map[string]string{"ca/a.go": "import \"crypto/tls\"\nvar x, err = tls.Listen(``, ``, nil)"}},
	{"an authority knows addresses", "", map[string]string{"ca/a.go": "import \"net\"\nimport \"crypto/tls\"\nvar x net.IP\nvar y tls.Certificate"}},

	{"the service links a simulator", "no-simulators", map[string]string{
		"cmd/quotaryd/a.go": "// Command quotaryd x.\npackage main\n" + q("internal/server"), "internal/server/a.go": q("simulators/snp"), "simulators/snp/a.go": "",
	}},
	{"the tool links a simulator", "no-simulators", map[string]string{"cmd/quotary/a.go": "// Command quotary x.\npackage main\n" + q("simulators"), "simulators/a.go": ""}},
	{"the agent links the test service", "no-simulators", map[string]string{
		"cmd/quotary-agent/a.go": "// Command quotary-agent x.\npackage main\n" + q("simulators/simtest"), "simulators/simtest/a.go": "",
	}},
	{"the simulator's own program", "", map[string]string{"cmd/quotary-sim/a.go": "// Command quotary-sim x.\npackage main\n" + q("simulators/snp"), "simulators/snp/a.go": ""}},
	{"a program links testing", "no-testing-in-programs", map[string]string{
		"cmd/quotary-sim/a.go": "// Command quotary-sim x.\npackage main\n" + q("simulators/simtest"), "simulators/simtest/a.go": `import _ "testing"`,
	}},
	{"a library imports testing", "no-testing-in-code", map[string]string{"ca/a.go": `import _ "testing/quick"`}},
	{"a test package imports testing", "", map[string]string{"internal/evidencetest/a.go": `import _ "testing"`}},

	{"a verifier asks the clock", "pure", map[string]string{"tee/tdx/a.go": "import \"time\"\nvar x = time.Now()"}},
	{"a verifier is given the clock", "", map[string]string{"verifier/a.go": "import \"time\"\nvar x = time.Now"}},
	{"a verifier logs", "pure", map[string]string{"tee/a.go": `import _ "log/slog"`}},
	{"an init function", "no-init", map[string]string{"ca/a.go": "func init() {}"}},
	{"a method init", "", map[string]string{"ca/a.go": "type t int\nfunc (t) init() {}"}},
	{"a global flag", "no-global-flags", map[string]string{"ca/a.go": "import \"flag\"\nvar x = flag.String(``, ``, ``)"}},
	{"the global flag set", "no-global-flags", map[string]string{"internal/agent/a.go": "import \"flag\"\nvar x = flag.CommandLine"}},
	{"a flag set", "", map[string]string{"internal/agent/a.go": "import \"flag\"\nvar x = flag.NewFlagSet(``, flag.ContinueOnError)"}},

	{"no package comment", "package-comment", map[string]string{"ca/a.go": "package ca"}},
	{"two package comments", "package-comment", map[string]string{"ca/a.go": "// Package ca x.\npackage ca", "ca/b.go": "// Package ca y.\npackage ca"}},
	{"a comment of another form", "package-comment", map[string]string{"ca/a.go": "// The authority.\npackage ca"}},
	{"a licence is no package comment", "package-comment", map[string]string{"ca/a.go": "// Licensed.\n\npackage ca"}},
	{"a bound without reason", "limits", map[string]string{"ca/limits.go": "const (\n// A is a.\nA = 1\n\nB = 2\n)"}},
	{"a lone bound without reason", "limits", map[string]string{"ca/limits.go": "const A = 1"}},
	{"bounds that share a reason", "", map[string]string{"ca/limits.go": "const (\n// A and B are.\nA = 1\nB = 2\n)"}},
	{"bounds with reasons", "", map[string]string{"ca/limits.go": "const (\n// A is a.\nA = 1\nB = 2 // why\n)\n// C is c.\nconst C = 3"}},
	{"a long file", "size", map[string]string{"ca/a.go": strings.Repeat("\n", maxFileLines)}},
	{"a long test", "size", map[string]string{"ca/a_test.go": "package ca\n" + strings.Repeat("\n", maxFileLines)}},
	{"a long function", "size", map[string]string{"ca/a.go": "func f() {" + strings.Repeat("\n", maxFunctionLines) + "}"}},

	{"a secret compared byte by byte", "secrets", map[string]string{"verifier/a.go": "import \"bytes\"\nfunc f(theSecret, got []byte) bool { return bytes.Equal(got, theSecret[:4]) }"}},
	{"a credential compared as text", "secrets", map[string]string{"internal/admin/a.go": "type t struct { credential string }\nfunc (a t) f(got string) bool { return got != a.credential }"}},
	{"lengths and constants", "", map[string]string{"verifier/a.go": "func f(secret []byte) bool { return len(secret) == 32 && secret != nil }"}},
	{"in constant time", "", map[string]string{"verifier/a.go": "import \"crypto/subtle\"\nfunc f(secret, got []byte) bool { return subtle.ConstantTimeCompare(secret, got) == 1 }"}},

	{"nested modules are no part", "", map[string]string{"tools/go.mod": "module x", "tools/a.go": "package tools"}},
	{"test data are no part", "", map[string]string{"ca/testdata/a.go": "package x"}},
}

// TestSamples shows that each rule catches its breach, and nothing else is caught.
func TestSamples(t *testing.T) {
	covered := map[string]bool{}
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			fsys := fstest.MapFS{}
			for name, source := range s.files {
				fsys[name] = &fstest.MapFile{Data: []byte(withHead(name, source))}
			}
			tree, err := Load(fsys)
			if err != nil {
				t.Fatal(err)
			}
			caught := map[string][]Violation{}
			for _, rule := range Rules() {
				if found := rule.Check(tree); len(found) > 0 {
					caught[rule.Name] = found
				}
			}
			if s.rule == "" && len(caught) > 0 || s.rule != "" && len(caught[s.rule]) == 0 {
				t.Errorf("want %q, caught %v", s.rule, caught)
			}
			covered[s.rule] = true
		})
	}
	for _, rule := range Rules() {
		if !covered[rule.Name] {
			t.Errorf("no sample breaks the rule %s", rule.Name)
		}
	}
}

// withHead gives a sample the package clause that its folder asks for.
func withHead(name, source string) string {
	if strings.Contains(source, "package ") || !strings.HasSuffix(name, ".go") {
		return source
	}
	parts := strings.Split(name, "/")
	pkg := parts[len(parts)-2]
	return "// Package " + pkg + " x.\npackage " + pkg + "\n" + source
}
