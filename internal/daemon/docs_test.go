package daemon_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/quotary/quotary/internal/daemon"
)

// docs/operations.md has every key of the configuration and every file of the
// data directory.
func TestOperationsDocument(t *testing.T) {
	data, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	keys(reflect.TypeFor[daemon.Config](), func(key string) {
		if !strings.Contains(text, "`"+key) {
			t.Errorf("docs/operations.md does not have the key %s", key)
		}
	})
	dir := filepath.Join(t.TempDir(), "data")
	start(t, dir, daemon.Config{})
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		if d.IsDir() && (name == "." || name == "ca") {
			return err
		}
		if !strings.Contains(text, "`"+name) {
			t.Errorf("docs/operations.md does not have the file %s", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func keys(t reflect.Type, f func(string)) {
	for field := range t.Fields() {
		f(field.Tag.Get("yaml"))
		if field.Type.Kind() == reflect.Struct {
			keys(field.Type, f)
		}
	}
}
