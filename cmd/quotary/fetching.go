package main

import (
	"context"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// storeConfig is that of the store that verify fetches into: in memory, if none
// is named.
func (o *verifyOptions) storeConfig(a authorities) store.Config {
	return store.Config{Dir: o.store, Vendors: o.vendors.services(a), Now: func() time.Time { return o.at.Time }}
}

// endorsements returns what the store holds; none if nothing is fetched.
func (f *fetcher) endorsements() *tee.Endorsements {
	if f == nil {
		return nil
	}
	return f.store.Endorsements()
}

// judgeFetching judges a bundle, fetches what would say more, and judges again, as
// long as that brings something.
func (j *judge) judgeFetching(ctx context.Context, bundle evidence.Bundle) (report, error) {
	for _, item := range bundle {
		j.fetcher.take(carriedBy(item))
	}
	r, wanted, err := j.judge(bundle)
	for range maxFetchRounds {
		if err != nil || !j.fetcher.fetchAny(ctx, wanted) {
			break
		}
		r, wanted, err = j.judge(bundle)
	}
	j.fetcher.complain(wanted)
	for i, m := range r.Missing {
		r.Missing[i].Error = errorOf(j.fetcher.failed[tee.EndorsementName{Type: m.Type, ID: m.ID}].err)
	}
	return r, err
}

// fetchAny asks for the names that were not asked for in vain, and reports
// whether the store holds more, or other, than before: what came with an error,
// such as a list that has expired, may be good enough for a policy.
func (f *fetcher) fetchAny(ctx context.Context, names []tee.EndorsementName) bool {
	before := f.store.Endorsements()
	names = slices.DeleteFunc(slices.Clone(names), func(name tee.EndorsementName) bool {
		_, failed := f.failed[name]
		return failed
	})
	if len(names) > 1 {
		_, _ = f.store.Fetch(ctx, names) // side by side; what became of each is asked below
	}
	for _, name := range names {
		_ = f.fetch(ctx, name) // remembered
	}
	return f.store.Endorsements() != before
}

// close keeps what was fetched.
func (j *judge) close() error {
	if j.fetcher == nil {
		return nil
	}
	return closeStore(j.fetcher.store)
}
