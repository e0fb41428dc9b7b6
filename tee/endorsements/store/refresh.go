package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
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
// is held, until ctx ends or the store is closed. Each vendor is asked for one name
// after the other.
func (s *Store) Run(ctx context.Context) {
	for ctx.Err() == nil && s.background.Err() == nil {
		s.maintain()
		var more atomic.Bool
		var vendors sync.WaitGroup
		for _, v := range s.vendors {
			vendors.Go(func() {
				if s.refresh(ctx, v) {
					more.Store(true)
				}
			})
		}
		if vendors.Wait(); !more.Load() {
			s.pause(ctx)
		}
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

// refresh fetches what is due from one vendor, until it does not answer. If that
// takes longer than a tick there is more to do: something else may be due by then.
func (s *Store) refresh(ctx context.Context, v *vendor) (more bool) {
	began := time.Now()
	for _, name := range s.due(v) {
		if ctx.Err() != nil || !v.mayBeAsked() {
			return false
		}
		if time.Since(began) > tick {
			return true
		}
		s.launchOne(name, nil, true).wait(ctx)
	}
	return false
}

// due lists the names that it is time to fetch from a vendor: what is missing of
// the baseline, then what is to be renewed, then what is wanted.
func (s *Store) due(v *vendor) []tee.EndorsementName {
	if s.config.Offline {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Concat(s.absent(v, s.Baseline()), s.renewals(v), s.absent(v, s.wishes()))
	now := time.Now()
	return slices.DeleteFunc(names, func(name tee.EndorsementName) bool {
		f, failed := s.recall(name)
		return failed && f.wait(now) > 0
	})
}

// renewals lists the names that it is time to look for a newer issue of, those
// looked at longest ago first. The caller holds s.mu.
func (s *Store) renewals(v *vendor) []tee.EndorsementName {
	now := time.Now()
	var due []*entry
	for _, e := range s.table.byDigest {
		if at, ever := s.nextLook(e); ever && !at.After(now) && s.isOf(v, e.source) {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *entry) int {
		return cmp.Or(a.checked.Compare(b.checked), compareNames(a.source, b.source))
	})
	names := make([]tee.EndorsementName, 0, len(due))
	for _, e := range due {
		names = append(names, e.source)
	}
	return names
}

// wishes lists the wanted names that are not of the baseline. The caller holds s.mu.
func (s *Store) wishes() []tee.EndorsementName {
	var names []tee.EndorsementName
	for name := range s.wanted {
		if !s.isBaseline(name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, compareNames)
	return names
}

func compareNames(a, b tee.EndorsementName) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
}

// absent returns those of names that a vendor should give and that are not held.
// The caller holds s.mu.
func (s *Store) absent(v *vendor, names []tee.EndorsementName) []tee.EndorsementName {
	return slices.DeleteFunc(names, func(name tee.EndorsementName) bool { return s.holds(name) || !s.isOf(v, name) })
}

// isOf reports whether a vendor is who hands a name out.
func (s *Store) isOf(v *vendor, name tee.EndorsementName) bool {
	t, err := s.locate(name)
	return err == nil && t.vendor == v
}
