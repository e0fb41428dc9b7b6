package store

import (
	"maps"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Counters are what the store counted since it was opened, and what it holds.
type Counters struct {
	Entries  int    // endorsements held
	Keys     int    // certificates of machines' keys among them
	Bytes    int64  // of content
	Evicted  uint64 // key certificates that made room
	InFlight int    // fetches that are running or wait for their turn
	// DirectoryFailures counts writes to the directory that failed.
	DirectoryFailures uint64
	Vendors           []VendorCounters // in the order of the configuration
}

// VendorCounters are those of one vendor.
type VendorCounters struct {
	Name string
	// Available is false from when the vendor was found to be down, or asked for a
	// pause, until it answers again. It is true of one that was never asked.
	Available bool
	Requests  uint64                   // that were made
	Bytes     uint64                   // of answers
	Stored    uint64                   // endorsements that came into force
	Refused   map[evidence.Code]uint64 // fetches that brought nothing, by reason
	// Baseline says until when what every verification may need is good.
	Baseline []Expiry
}

// Expiry is when the signer lets an endorsement expire; the zero time if none is held.
type Expiry struct {
	Name    tee.EndorsementName
	Expires time.Time
}

// tally counts what is no vendor's. It is guarded by Store.mu.
type tally struct{ directoryFailures uint64 }

// served counts what a vendor did. It is guarded by vendor.mu.
type served struct {
	requests, bytes, stored uint64
	refused                 map[evidence.Code]uint64
}

func newServed() served { return served{refused: map[evidence.Code]uint64{}} }

func (v *vendor) count(add func(*served)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	add(&v.served)
}

// Counters returns the counters of this moment.
func (s *Store) Counters() Counters {
	s.mu.Lock()
	c := Counters{
		Entries: len(s.table.byDigest), Keys: s.table.keys.Len(), Bytes: s.table.bytes, Evicted: s.table.evicted,
		InFlight: len(s.flights), DirectoryFailures: s.tally.directoryFailures,
	}
	for _, v := range s.vendors {
		counters := v.counters()
		for _, name := range v.baseline {
			counters.Baseline = append(counters.Baseline, Expiry{name, s.table.expiry(name)})
		}
		c.Vendors = append(c.Vendors, counters)
	}
	s.mu.Unlock()
	return c
}

// expiry is when the newest of a name expires.
func (t *table) expiry(name tee.EndorsementName) time.Time {
	for _, at := range slots(name) {
		if e := t.inForce[at]; e != nil {
			return e.Expires
		}
	}
	return time.Time{}
}

func (v *vendor) counters() VendorCounters {
	v.mu.Lock()
	defer v.mu.Unlock()
	return VendorCounters{
		Name: v.name, Available: v.breaker.isClosed(), Requests: v.served.requests, Bytes: v.served.bytes,
		Stored: v.served.stored, Refused: maps.Clone(v.served.refused),
	}
}
