package inforce

import (
	"time"

	"github.com/quotary/quotary/internal/store"
)

const (
	// recent is how long ago an attestation may have been that a plan replays. No
	// identity lives longer, so all that are in force are among them.
	recent = 24 * time.Hour
	// maxRecords bounds the attestations that a plan replays, the newest first: at
	// some 0.2 ms each, ten seconds. A plan says how many it left out.
	maxRecords = 50_000
	// maxRefusals bounds what is remembered of refusals: a plan shows them beside the
	// attestations of a day, and nobody reads more.
	maxRefusals = 1024
	// maxRefusedClaims bounds the claims of one of them, as JSON, and maxRefusalsSize those of all.
	// The claims of a machine with its boot's log take some 20 KiB.
	maxRefusedClaims = 64 << 10
	maxRefusalsSize  = 16 << 20
	// expiring is how far ahead a plan looks for reference values that end.
	expiring = 14 * 24 * time.Hour
	// proposalLife is how long a proposal waits for approvals.
	proposalLife = store.MaxProposalLife
)
