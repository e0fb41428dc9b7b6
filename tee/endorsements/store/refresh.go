package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/quotary/quotary/tee"
)

// Want has the refresh loop fetch names once, at leisure: those of machines known
// from earlier issuances, before they come. Names that no vendor hands out, and
// those beyond a bound of 65,536, are left out.
func (s *Store) Want(names ...tee.EndorsementName) {
	for _, name := range names {
		if _, err := s.locate(name); err != nil {
			continue
		}
		s.mu.Lock()
		if len(s.wanted) < maxWanted {
			s.wanted[name] = struct{}{}
		}
		s.mu.Unlock()
	}
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// Run fetches the baseline and what is wanted, and renews ahead of its end what
// is held, until ctx ends or the store is closed. Each vendor has a goroutine of its own, which asks for
// one name after the other.
func (s *Store) Run(ctx context.Context) {
	for ctx.Err() == nil && s.background.Err() == nil {
		s.maintain()
		var vendors sync.WaitGroup
		for _, v := range s.vendors {
			vendors.Go(func() { s.refresh(ctx, v) })
		}
		vendors.Wait()
		s.pause(ctx)
	}
}

// pause waits for the next look at everything. Waiting is not until something is
// due: the clock may be set meanwhile.
func (s *Store) pause(ctx context.Context) {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.poke:
	case <-ctx.Done():
	case <-s.background.Done():
	}
}

// maintain takes over what came into the directory, forgets what does not matter
// any more, shows what still does, and writes what could not be written before.
func (s *Store) maintain() {
	if err := s.Reload(); err != nil {
		s.config.Notify(Event{Err: err})
	}
	s.mu.Lock()
	for name := range s.failures {
		if !s.isOwn(name) {
			delete(s.failures, name)
		}
	}
	maps.DeleteFunc(s.wanted, func(name tee.EndorsementName, _ struct{}) bool { return s.holds(name) })
	s.publishLocked()
	s.mu.Unlock()
	s.persist(true)
}

// refresh fetches what is due from one vendor, until it does not answer.
func (s *Store) refresh(ctx context.Context, v *vendor) {
	for _, name := range s.due(v) {
		if ctx.Err() != nil || !v.isAvailable() {
			return
		}
		s.launchOne(name, nil, true).wait(ctx)
	}
}

// due lists the names that it is time to fetch from a vendor, issuers first.
func (s *Store) due(v *vendor) []tee.EndorsementName {
	if s.config.Offline {
		return nil
	}
	now := time.Now()
	var names []tee.EndorsementName
	for _, name := range s.absent(v) {
		if f, failed := s.failed(name); !failed || f.wait(now) == 0 {
			names = append(names, name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var renewals []*entry
	for _, e := range s.table.byDigest {
		if at, ever := s.nextLook(e); ever && !at.After(now) {
			renewals = append(renewals, e)
		}
	}
	slices.SortFunc(renewals, func(a, b *entry) int {
		return cmp.Or(a.checked.Compare(b.checked), cmp.Compare(a.source.String(), b.source.String()))
	})
	for _, e := range renewals {
		if t, err := s.locate(e.source); err == nil && t.vendor == v {
			names = append(names, e.source)
		}
	}
	return names
}

// absent lists the names that a vendor should give and that are not held.
func (s *Store) absent(v *vendor) []tee.EndorsementName {
	names := s.Baseline()
	s.mu.Lock()
	wanted := slices.Collect(maps.Keys(s.wanted))
	s.mu.Unlock()
	slices.SortFunc(wanted, func(a, b tee.EndorsementName) int { return cmp.Compare(a.String(), b.String()) })
	for _, name := range wanted {
		if !s.isBaseline(name) {
			names = append(names, name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(names, func(name tee.EndorsementName) bool {
		t, err := s.locate(name)
		return err != nil || t.vendor != v || s.holds(name)
	})
}

func (s *Store) failed(name tee.EndorsementName) (failure, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recall(name)
}
