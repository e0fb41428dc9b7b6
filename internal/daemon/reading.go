package daemon

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/quotary/quotary/policies"
)

// reading reads the keys that may sign reference values: files of one public key
// in PEM. A key is named as its file is.
func reading(paths []string) (o policies.Options, err error) {
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return o, err
		}
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		key, err := policies.ParseReferenceKey(name, text)
		if err != nil {
			return o, err
		}
		o.ReferenceKeys = append(o.ReferenceKeys, key)
	}
	_, err = o.Load() // two keys of one name, or one key twice
	return o, err
}
