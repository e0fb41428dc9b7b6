package pkcs11

import "time"

const (
	// maxLabel is the size of a token's label in bytes (PKCS #11 2.40, CK_TOKEN_INFO).
	maxLabel = 32
	// maxPIN bounds a PIN in bytes: tokens take 4 to 255.
	maxPIN = 255
	// maxReference bounds a reference in bytes: label, name and identifier take about 200.
	maxReference = 1 << 10
	// idSize is the size of a key's CKA_ID in bytes: random, so that no two keys have the same.
	idSize = 16
	// sessions is how many sessions are open with the token at most: one that keeps the login,
	// and one that works, because keys are used one after the other.
	sessions = 2
	// sessionWait bounds the wait for that session; it is free unless something is broken.
	sessionWait = 10 * time.Second
)
