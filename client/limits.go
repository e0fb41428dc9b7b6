package client

import "time"

const (
	// maxResponse bounds a response's body. The largest is an attestation with all
	// checks of three kinds of evidence, a chain and two tokens: under 100 KiB.
	maxResponse = 1 << 20
	// requestTimeout bounds one exchange, a slow service's queue included.
	requestTimeout = 60 * time.Second
	// maxChain bounds the certificates in a response: ours are two.
	maxChain = 4
	// maxLife bounds how far in the future a certificate may end: the service's
	// authority issues for at most a day.
	maxLife = 25 * time.Hour
)
