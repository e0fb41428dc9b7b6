//go:build pkcs11 && cgo

package pkcs11

import "time"

const (
	// sessions is how many sessions are open with the token at most: one that keeps the login,
	// and one that works, because keys are used one after the other.
	sessions = 2
	// sessionWait bounds the wait for that session; it is free unless something is broken.
	sessionWait = 10 * time.Second
)
