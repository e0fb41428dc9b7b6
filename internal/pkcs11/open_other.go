//go:build !pkcs11 || !cgo

package pkcs11

import "github.com/quotary/quotary/evidence"

// Open opens the token. This build cannot.
func Open(Options) (Store, error) {
	return nil, evidence.Errorf(evidence.CodeConfigMalformed, "authority.keys.pkcs11", "this build has no PKCS #11: build with cgo and -tags pkcs11")
}
