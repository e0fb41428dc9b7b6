package store

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"golang.org/x/time/rate"
)

// vendor is a service with what protects it from the store.
type vendor struct {
	name      string
	base      *url.URL
	transport http.RoundTripper
	endorser  tee.Endorser
	headers   []string
	baseline  []tee.EndorsementName
	// The upkeep lane is for the baseline and for refreshing, a bounded number of
	// names; the demand lane for what evidence names. Whoever floods the service with
	// evidence of chips that do not exist empties the second only.
	upkeep, demand lane
	places         chan struct{} // taken by running requests
	breaker        breaker
	notify         func(Event)

	mu     sync.Mutex // guards tally
	served served
}

// lane bounds how often requests are made.
type lane struct {
	limiter *rate.Limiter
	// waiting counts fetches that are running or wait for their turn; guarded by Store.mu.
	waiting int
}

func newVendor(given Vendor, c Config) (*vendor, error) {
	given = given.withDefaults()
	base, err := parseBase(given)
	if err != nil {
		return nil, err
	}
	if given.Endorser == nil || given.Name == "" {
		return nil, evidence.Errorf(evidence.CodeEndorsementVendor, given.Name, "a vendor needs a name and an endorser")
	}
	baseline := baselineOf(given.Endorser)
	for _, name := range baseline {
		if path, _ := given.Endorser.Locate(name); repeats(base.Path, path) {
			return nil, evidence.Errorf(evidence.CodeEndorsementVendor, given.Name,
				"the base URL %q ends with what the service's own paths begin with (%s): leave that out", given.BaseURL, path)
		}
	}
	every := rate.Every(given.RequestEvery)
	return &vendor{
		name: given.Name, base: base, endorser: given.Endorser, headers: given.ChainHeaders,
		transport: c.Transport, baseline: baseline,
		upkeep:  lane{limiter: rate.NewLimiter(every, given.Burst)},
		demand:  lane{limiter: rate.NewLimiter(every, given.Burst)},
		places:  make(chan struct{}, given.Concurrency),
		breaker: breaker{backoff: backoff{first: firstBackoff, longest: maxBackoff, random: c.Random}},
		notify:  c.Notify,
		served:  newServed(),
	}, nil
}

// baselineOf names what every verification may draw on and this service hands out.
func baselineOf(e tee.Endorser) []tee.EndorsementName {
	return slices.DeleteFunc(slices.Clone(e.Needs(evidence.Claims{})), func(name tee.EndorsementName) bool {
		_, located := e.Locate(name)
		return !located
	})
}

// turn takes the next turn of a lane and returns how long to wait for it. It is
// false, with the time to come back, if that is longer than a fetch waits.
func (l *lane) turn(now time.Time) (wait time.Duration, ok bool) {
	reservation := l.limiter.ReserveN(now, 1)
	wait = reservation.DelayFrom(now)
	if wait > maxTokenWait {
		reservation.CancelAt(now)
		return wait, false
	}
	return wait, true
}

// mayBeAsked reports whether a request would be made now; of a vendor that is
// down, one that finds out whether it is back.
func (v *vendor) mayBeAsked() bool { return v.breaker.pause(time.Now()) == 0 }
