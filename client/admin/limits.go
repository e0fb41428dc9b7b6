package admin

import "time"

const (
	// MaxPage is the most rows that one answer has.
	MaxPage = 500
	// maxResponse bounds an answer's body in bytes: a policy set has up to 64 MiB of
	// documents, and JSON's escapes add to that.
	maxResponse = 96 << 20
	// requestTimeout bounds one exchange: a plan judges every recorded attestation anew.
	requestTimeout = 5 * time.Minute
	// maxToken bounds a bearer token in bytes: services refuse headers that are longer.
	maxToken = 16 << 10
)
