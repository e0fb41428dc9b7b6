package jwtsvid

import "time"

const (
	// perSecond and burst bound the tokens that are asked for: each is an attestation, which
	// a TPM takes a tenth of a second for. A machine's workloads know a few audiences.
	perSecond = 5
	burst     = 20
	// perSecondOfUser and burstOfUser are for one user: others still get theirs.
	perSecondOfUser = 2
	burstOfUser     = 10
	// maxUsers bounds the users that are told apart; beyond they begin anew.
	maxUsers = 1024
	// maxAtOnce bounds the attestations for tokens at once: the machine makes one at a time, and
	// that for the identity itself must not wait for many.
	maxAtOnce = 2
	// maxHeld bounds the tokens that are kept, at some 2 KiB each.
	maxHeld = 256
	// obtainTimeout bounds one attestation.
	obtainTimeout = time.Minute
)
