package vendors

import "time"

const (
	// hugeAnswer is the size in bytes of an answer that is too large: more than any
	// client should read, and still no burden for a test.
	hugeAnswer = 16 << 20
	// pause is what a throttling service asks for: AMD's answers about one request in
	// ten seconds from an address.
	pause = 10 * time.Second
	// overFor is for how long something has expired that has: less than the grace
	// that services have for it.
	overFor = time.Hour
)
