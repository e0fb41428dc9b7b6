package local

import "time"

const (
	// maxAnswer bounds an answer of the agent, in bytes: a chain, and the roots of a trust
	// domain.
	maxAnswer = 1 << 20
	// signTimeout bounds one signature: a TPM that others use as well takes seconds.
	signTimeout = 30 * time.Second
)
