package continuous

import "time"

const (
	// every is how often all identities are looked at although nothing changed: reference
	// values end, and a machine whose certificate lives a day is not to outlive them.
	every = time.Hour
	// firstRetry and lastRetry are how soon what failed is tried again: the pause doubles up to
	// the interval at which all is looked at anyway.
	firstRetry = 5 * time.Second
	lastRetry  = every
	// page is how many identities are looked at between two pauses, each as long as the look
	// took, so that a sweep takes half a processor at most. It is below store.MaxRevoked.
	page = 250
	// publishEvery is how often revocation lists are signed during a sweep: signing those of
	// 100,000 certificates takes a tenth of a second.
	publishEvery = 2 * time.Second
	// maxGroups bounds the reasons that a report tells apart, and maxExamples the attestations
	// that it names for each: an event of the audit trail has 4 KiB.
	maxGroups   = 64
	maxExamples = 16
	// maxCodes bounds the checks that an event names.
	maxCodes = 16
)
