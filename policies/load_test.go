package policies_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Each testdata/errors/NAME.yaml fails to load with exactly the problems in NAME.txt.
func TestLoadErrors(t *testing.T) {
	paths, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = policies.Load(policies.File{Name: filepath.Base(path), Data: data})
			if err == nil {
				t.Fatal("Load accepted it")
			}
			golden := strings.TrimSuffix(path, ".yaml") + ".txt"
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// The examples load, together and alone, as far as they need no others.
func TestLoadExamples(t *testing.T) {
	files, err := policies.ReadFiles("testdata/examples")
	if err != nil {
		t.Fatal(err)
	}
	set, err := policies.Load(files...)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ledger", "metering", "payments"}
	if diff := cmp.Diff(want, set.Workloads()); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
}

func TestLoadProblemsAreErrors(t *testing.T) {
	_, err := policies.Load(policies.File{Name: "a.yaml", Data: []byte("apiVersion: quotary.dev/v1\nkind: Workload\n")})
	var list policies.Problems
	if !errors.As(err, &list) || len(list) != 3 {
		t.Fatalf("error %v", err)
	}
	if evidence.CodeOf(err) != evidence.CodePolicyMissingKey || list[0].Field != "a.yaml:1:1" {
		t.Errorf("code %s, field %s", evidence.CodeOf(err), list[0].Field)
	}
}

// A reference into a document that cannot be read is no further problem.
func TestLoadReferenceIntoBrokenDocument(t *testing.T) {
	user := "---\n" + replace(snpWith(), `["`+m11+`"]`, "{reference: release}")
	whole := reference("release", "2027-01-01T00:00:00Z")
	for _, broken := range []string{
		replace(whole, "name: release", "name: &a release"), replace(whole, "name: release", "name: Release"),
		replace(whole, "measurements:", "measurement:"), replace(whole, "quotary.dev/v1", "quotary.dev/v2"),
	} {
		if text := loadErr(t, broken+user); strings.Count(text, "\n") != 0 {
			t.Errorf("problems:\n%s", text)
		}
	}
	if text := loadErr(t, user); !strings.Contains(text, "policy.reference-unknown") {
		t.Error(text)
	}
}

func TestLoadManyProblems(t *testing.T) {
	_, err := policies.Load(policies.File{Name: "a.yaml", Data: []byte(snpWith() + strings.Repeat("---\nkind: 1\n", 200))})
	var list policies.Problems
	if !errors.As(err, &list) || len(list) != policies.MaxProblems+1 {
		t.Fatalf("%d problems", len(list))
	}
	if last := list[len(list)-1].Detail; last != "and 350 more problems in this file" {
		t.Errorf("last problem: %s", last)
	}
}

func TestLoadBounds(t *testing.T) {
	large := make([]byte, policies.MaxFileSize+1)
	for name, c := range map[string]struct {
		files []policies.File
		code  evidence.Code
	}{
		"file size":  {[]policies.File{{Name: "a", Data: large}}, evidence.CodePolicyTooLarge},
		"files":      {make([]policies.File, policies.MaxFiles+1), evidence.CodePolicyTooLarge},
		"values":     {[]policies.File{{Name: "a", Data: []byte("[" + strings.Repeat("a,", 700_000) + "]")}}, evidence.CodePolicyTooLarge},
		"flow depth": {[]policies.File{{Name: "a", Data: []byte(strings.Repeat("[", 20_000))}}, evidence.CodePolicySyntax},
		"depth":      {[]policies.File{{Name: "a", Data: []byte("a: " + strings.Repeat("[", 100) + strings.Repeat("]", 100))}}, evidence.CodePolicySyntax},
		"not text":   {[]policies.File{{Name: "a", Data: []byte("name: \xff")}}, evidence.CodePolicySyntax},
		"NUL":        {[]policies.File{{Name: "a", Data: []byte("name: \x00")}}, evidence.CodePolicySyntax},
		"UTF-16":     {[]policies.File{{Name: "a", Data: []byte("\xfe\xff\x00a")}}, evidence.CodePolicySyntax},
		"empty":      {[]policies.File{{Name: "a"}}, evidence.CodePolicyMissingKey},
		"comment":    {[]policies.File{{Name: "a", Data: []byte("# nothing\n---\n---\n")}}, evidence.CodePolicyMissingKey},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policies.Load(c.files...)
			if evidence.CodeOf(err) != c.code {
				t.Errorf("error %v, want %s", err, c.code)
			}
		})
	}
}

func TestDigest(t *testing.T) {
	a := policies.File{Name: "a.yaml", Data: []byte(snpWith())}
	b := policies.File{Name: "b.yaml", Data: []byte(other(tdxWith()))}
	base := digestOf(t, a, b)
	if !strings.HasPrefix(base, "sha256:") || len(base) != len("sha256:")+64 {
		t.Fatalf("digest %q", base)
	}
	joined := policies.File{Name: "c.yaml", Data: []byte(other(tdxWith()) + "---\n# a comment\n" + snpWith())}
	moved := policies.File{Name: "d.yaml", Data: []byte(replace(snpWith(), "name: web\n", "") + "name:    'web'\n")}
	for name, got := range map[string]string{
		"order": digestOf(t, b, a), "one file": digestOf(t, joined), "key order": digestOf(t, moved, b),
	} {
		if got != base {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, file := range map[string]policies.File{
		"value": {Data: []byte(snpWith("vmpl: 1"))},
		"ttl":   {Data: []byte(replace(snpWith(), "30m", "31m"))},
	} {
		if digestOf(t, file, b) == base {
			t.Errorf("%s does not change the digest", name)
		}
	}
	const golden = "sha256:af6749eafd0e074e800de9c04dadfc8fcab799258e71316d10c69b5636babd20"
	if base != golden {
		t.Errorf("digest %s, want %s: stored digests would no longer match", base, golden)
	}
}

func digestOf(t *testing.T, files ...policies.File) string {
	t.Helper()
	set, err := policies.Load(files...)
	if err != nil {
		t.Fatal(err)
	}
	return set.Digest()
}

func TestReadFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	b, a, text := write("b.yml"), write("a.yaml"), write("c.txt")
	write("below/d.yaml")
	write(".ci.yml")
	write("._a.yaml") // which some file systems add to a.yaml
	if err := os.Mkdir(filepath.Join(dir, "e.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := policies.ReadFiles(text, dir, a)
	if err != nil {
		t.Fatal(err)
	}
	want := []policies.File{{Name: a, Data: []byte("a.yaml")}, {Name: b, Data: []byte("b.yml")}, {Name: text, Data: []byte("c.txt")}}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	_, err = policies.ReadFiles(filepath.Join(dir, "nothing"))
	if evidence.CodeOf(err) != evidence.CodePolicyUnreadable || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, policies.MaxFileSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := policies.ReadFiles(dir); evidence.CodeOf(err) != evidence.CodePolicyTooLarge {
		t.Errorf("error %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/errors/*.yaml", "testdata/examples/*.yaml", "amd_advisories.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := policies.Load(policies.File{Name: "f", Data: data})
		if (set == nil) == (err == nil) {
			t.Fatalf("set %v, error %v", set, err)
		}
		if err != nil {
			var list policies.Problems
			if !errors.As(err, &list) || len(list) == 0 {
				t.Fatalf("error %v", err)
			}
			return
		}
		for _, claims := range [][]evidence.Claims{{goodSNP()}, {goodTDX()}, {booted(grubBoot)()}, {booted(ukiBoot)()}, {goodTPM()}, {goodSNP(), goodTPM()}} {
			evaluate(set, claims...)
		}
	})
}
