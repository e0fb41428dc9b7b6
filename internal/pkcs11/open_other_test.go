//go:build !pkcs11 || !cgo

package pkcs11

import (
	"testing"

	"github.com/quotary/quotary/evidence"
)

// A build without modules in C says so.
func TestOpenWithoutModules(t *testing.T) {
	if _, err := Open(Options{Module: "/m.so", TokenLabel: "t", PINFile: "/p"}); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
		t.Error(err)
	}
}
