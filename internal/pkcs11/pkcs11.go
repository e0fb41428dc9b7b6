// Package pkcs11 has a token keep the service's private keys: a hardware security module,
// or anything else that a module of PKCS #11 (version 2.40) stands for. Keys are made in the token, are
// marked as ones that cannot be read out, and are opened only if they still are.
//
// Modules are libraries in C that run in the service's process. So a build has this only
// if it is asked for: with cgo and the build tag pkcs11. In any other, [Open] says so.
//
// Start at [Open].
package pkcs11

import (
	"bytes"
	"io"
	"path/filepath"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
)

// Options say which token keeps the keys.
type Options struct {
	// Module is the module's library, an absolute path. Its code runs as the service's own.
	Module string
	// TokenLabel is the token's label.
	TokenLabel string
	// PINFile is a file with the user's PIN, which nobody but its owner can read.
	PINFile string
}

// Store is a token as a store of keys, until it is closed.
type Store interface {
	keyfile.Store
	io.Closer
}

// Check returns the *evidence.Error that [Open] would refuse the options with, before it looks
// at files and tokens.
func (o Options) Check() error {
	switch {
	case !filepath.IsAbs(o.Module):
		return evidence.Errorf(evidence.CodeConfigMalformed, "authority.keys.pkcs11.module", "%.64q is no absolute path of a library; the loader would look for it elsewhere", o.Module)
	case o.TokenLabel == "" || len(o.TokenLabel) > maxLabel:
		return evidence.Errorf(evidence.CodeConfigMalformed, "authority.keys.pkcs11.token_label", "a token's label has 1 to %d bytes", maxLabel)
	case o.PINFile == "":
		return evidence.Errorf(evidence.CodeConfigMalformed, "authority.keys.pkcs11.pin_file", "the user's PIN is needed, in a file of mode 0600")
	}
	return nil
}

// readPIN returns what stands in the PIN's file, without the end of its line.
func readPIN(path string) (string, error) {
	data, mode, err := keyfile.Read(path)
	if err != nil {
		return "", err
	}
	if mode.Perm()&0o077 != 0 {
		return "", evidence.Errorf(evidence.CodeAuthorityKeyFile, path, "others can read the PIN (mode %04o); set its mode to 0600, and change the PIN if it may have been read", mode.Perm())
	}
	pin := bytes.TrimRight(data, "\r\n")
	if len(pin) == 0 || len(pin) > maxPIN {
		return "", evidence.Errorf(evidence.CodeAuthorityKeyFile, path, "it holds no PIN of 1 to %d bytes", maxPIN)
	}
	return string(pin), nil
}
