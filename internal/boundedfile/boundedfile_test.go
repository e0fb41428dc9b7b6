package boundedfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/quotary/quotary/internal/boundedfile"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("four"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := boundedfile.Read(path, 4); err != nil || string(got) != "four" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := boundedfile.Read(path, 3); err == nil || got != nil {
		t.Errorf("beyond the bound: %q, %v", got, err)
	}
	if _, err := boundedfile.Read("/dev/zero", 1<<10); err == nil {
		t.Error("a file without end")
	}
	if _, err := boundedfile.Read(path+"x", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := boundedfile.Read(filepath.Dir(path), 4); err == nil {
		t.Error("a directory was read")
	}
}
