package jwtsvid

import "time"

const (
	// perSecond and burst bound the tokens that are asked for: each is an attestation, which
	// a TPM takes a tenth of a second for. A machine's workloads know a few audiences.
	perSecond = 5
	burst     = 20
	// maxHeld bounds the tokens that are kept, at some 2 KiB each.
	maxHeld = 256
	// obtainTimeout bounds one attestation.
	obtainTimeout = time.Minute
)
