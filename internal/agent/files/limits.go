package files

import "time"

const (
	// retryAfter is the time between two tries to write files or to run a hook: a full
	// disk or a server that restarts is given a moment, and a life is minutes at least.
	retryAfter = 10 * time.Second
	// settling is how long a server is left alone after it was told: haproxy misses a signal
	// that comes while it still reads its files.
	settling = 3 * time.Second
	// hookTimeout bounds a hook: a reload takes seconds, and the next renewal waits for it.
	hookTimeout = time.Minute
	// maxOutput bounds what is kept of a hook's output, in bytes, for the log.
	maxOutput = 1024
	// maxPID bounds what is read of a file with a process ID, in bytes.
	maxPID = 32
	// maxChain bounds what is read of a chain that an earlier process left, in bytes: the leaf comes first.
	maxChain = 64 << 10
)
