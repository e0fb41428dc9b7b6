package evidencetest

import (
	"os"
	"path/filepath"
	"testing"
)

// TestItems holds the manifest to the files that it lists.
func TestItems(t *testing.T) {
	for _, item := range Items(t) {
		for name, size := range item.Files {
			info, err := os.Stat(item.Path(name))
			if err != nil {
				t.Error(err)
			} else if info.Size() != size {
				t.Errorf("%s: %d bytes, the manifest says %d", item.Path(name), info.Size(), size)
			}
		}
		for n, c := range item.Cases {
			if files := item.EndorsementFiles(t, c); len(files) == 0 && c.Genuine != nil {
				t.Errorf("%s: case %d is decided without endorsements", item.Name, n)
			}
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(EnvDir, dir)
	if _, err := find(); err == nil {
		t.Error("an empty folder passed for the collection")
	}
	manifest := `[{"kind":"snp","name":"one","dir":"snp/one","files":{"a":1},"cases":[
		{"at":"2024-01-02T03:04:05Z","endorsements":["a"],"genuine":true},
		{"at":null,"endorsements":"2024-12-05","genuine":null}]}]`
	write(t, filepath.Join(dir, manifestName), manifest)
	write(t, filepath.Join(dir, "snp", "one", "a"), "x")
	write(t, filepath.Join(dir, "snp", "one", "collateral-2024-12-05", "b"), "y")
	item := Find(t, "one")
	if got := item.Read(t, "a"); string(got) != "x" || !item.Has("a") || item.Has("b") {
		t.Errorf("read %q", got)
	}
	if files := item.EndorsementFiles(t, item.Cases[1]); len(files) != 1 || filepath.Base(files[0]) != "b" {
		t.Errorf("endorsements of the second case: %v", files)
	}
	if c := item.Cases[0]; c.Genuine == nil || !*c.Genuine || c.At.Year() != 2024 || !item.Cases[1].At.IsZero() {
		t.Errorf("cases: %+v", item.Cases)
	}
	if got := Items(t, "tdx"); len(got) != 0 {
		t.Errorf("items of another kind: %v", got)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
