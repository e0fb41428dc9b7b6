package tsm

import "time"

// Bounds on what a kernel and a host can make us do.
const (
	// maxAttempts bounds how often a busy interface is asked. Linux's drivers wait
	// for a throttling host themselves, up to a minute; what still comes back busy is rare.
	maxAttempts = 4
	// retryDelay is the time between two attempts: what Linux's driver for SNP waits
	// before it asks a throttling host again.
	retryDelay = 2 * time.Second
)
