package vendors

import "time"

const (
	// amdRequestEvery and amdBurst bound requests to AMD's own service, which
	// answers about one request in ten seconds from an address and falls silent
	// for minutes where there are more. A mirror has the store's own bounds.
	amdRequestEvery = 10 * time.Second
	amdBurst        = 12
)
