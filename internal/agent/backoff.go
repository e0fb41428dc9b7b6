package agent

import (
	"math/rand/v2"
	"time"
)

// BackOff is how long to wait after so many failures in a row, at least 1: a random
// time up to a bound that doubles with each (full jitter), behind what the service
// asked for. Many agents that fail together do not come back together.
func BackOff(failures int, asked time.Duration) time.Duration {
	bound := maxBackOff
	if shift := failures - 1; shift < 16 {
		bound = min(firstBackOff<<shift, maxBackOff)
	}
	return asked + rand.N(bound)
}
