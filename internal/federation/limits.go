package federation

import "time"

const (
	// maxPartners bounds the trust domains: each is a file and a goroutine.
	maxPartners = 32
	// maxBundle bounds a bundle, in bytes: hundreds of roots and keys.
	maxBundle = 1 << 20
	// maxEntries bounds the members of an object and the entries of an array in it, and
	// maxText a text: a certificate in base64.
	maxEntries, maxText = 1024, 64 << 10
	// maxDepth bounds nesting: a bundle's own is three, of what nobody knows a little more.
	maxDepth = 8
	// maxHeader bounds the headers of an answer.
	maxHeader = 16 << 10
	// fetchTimeout bounds one look at an endpoint.
	fetchTimeout = 30 * time.Second
	// defaultRefresh is how often to look where a bundle does not say (SPIFFE Trust Domain
	// and Bundle §4.1.2 recommends five minutes). Hints are kept within the other two: one
	// of a second would be an attack, one of a year a mistake.
	defaultRefresh, minRefresh, maxRefresh = 5 * time.Minute, time.Minute, time.Hour
	// firstRetry is how soon to look again after a failure; it doubles up to the hint.
	firstRetry   = 10 * time.Second
	maxDoublings = 12
)
