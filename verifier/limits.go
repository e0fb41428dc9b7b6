package verifier

import "time"

const (
	// ChallengeTTL is the life of a challenge. A quote takes a guest 40 ms, under
	// load some seconds (TDX quoting is serialised per machine); two minutes leave
	// room for a slow TPM and a retry, and no more for a replay.
	ChallengeTTL = 2 * time.Minute
	// EnrolmentTTL is the life of an open enrolment. Activating a credential takes a
	// hardware TPM a second or two.
	EnrolmentTTL = time.Minute
	// maxSpent bounds the challenges that memory remembers as spent within one
	// ChallengeTTL: 1 Mi × about 40 bytes. At the bound new attestations are told to
	// come back later, which at 8,700 attestations a second is the right answer.
	maxSpent = 1 << 20
	// maxClockStep is how far the clock may fall behind the latest instant at
	// which a challenge was handled before challenges are refused: time that runs
	// backwards would bring spent challenges back to life.
	maxClockStep = 5 * time.Second
)
