// Package vendors says where the services are that hand out vendors' endorsements,
// and how many requests they bear, for every program that keeps a store of them.
//
// Start at [AMD] and [Intel].
package vendors

import (
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// AMDKDS is AMD's key distribution service (57230).
const AMDKDS = "https://kdsintf.amd.com"

// AMD returns AMD's key distribution service, or a mirror or caching proxy of it,
// at a base URL; empty is [AMDKDS]. The endorser knows which roots are trusted.
func AMD(base string, endorser tee.Endorser) store.Vendor {
	v := store.Vendor{Name: "amd-kds", BaseURL: base, Endorser: endorser}
	if base == "" || base == AMDKDS {
		v.BaseURL, v.RequestEvery, v.Burst = AMDKDS, amdRequestEvery, amdBurst
	}
	return v
}
