package store

import (
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// failure is what the store remembers of a name that it could not fetch.
type failure struct {
	err   error
	count int       // in a row
	at    time.Time // of the last one, by the monotonic clock
	until time.Time // before which nobody is asked again, likewise
	since time.Time // the last one by the clock of validity, to be shown
}

// wait is how long not to ask again.
func (f failure) wait(now time.Time) time.Duration {
	return max(f.until.Sub(now), 0)
}

// recall returns what is remembered of a name. The caller holds s.mu.
func (s *Store) recall(name tee.EndorsementName) (failure, bool) {
	if f, ok := s.failures[name]; ok {
		return f, true
	}
	f, ok := s.strangers.Get(name)
	return f, ok && f.err != nil
}

// remember takes note of a failure. What the store is responsible for has a place
// of its own: any number of other names cannot push it out. The caller holds s.mu.
func (s *Store) remember(t target, err error, r *refusal) failure {
	now := time.Now()
	f, _ := s.recall(t.name)
	f.err, f.count, f.at, f.since = err, f.count+1, now, s.now()
	f.until = now.Add(s.silence(t.vendor, f.count, err, r))
	if s.isOwn(t.name) {
		s.failures[t.name] = f
		s.table.changes.state = true
	} else {
		s.strangers.Put(t.name, f)
	}
	return f
}

// forgive takes note of a success. The caller holds s.mu.
func (s *Store) forgive(name tee.EndorsementName) {
	delete(s.failures, name)
	if f, ok := s.strangers.Get(name); ok && f.err != nil {
		s.strangers.Put(name, failure{})
	}
}

// isOwn reports whether the store keeps a name whoever asks: it is held, wanted
// or part of the baseline. The caller holds s.mu.
func (s *Store) isOwn(name tee.EndorsementName) bool {
	_, wanted := s.wanted[name]
	return wanted || s.holds(name) || s.isBaseline(name)
}

// silence is how long a name is not asked for again after a failure.
func (s *Store) silence(v *vendor, count int, err error, r *refusal) time.Duration {
	again := backoff{firstNameBackoff, maxNameBackoff, s.config.Random}
	switch {
	case r == nil && evidence.CodeOf(err) == evidence.CodeEndorsementStale:
		return staleFor
	case r == nil: // not authentic, rolled back, no room
		return again.after(count)
	case r.absent:
		return min(notFoundFor<<min(count-1, 8), maxNotFound)
	case r.wide, r.paused:
		return max(v.breaker.pause(time.Now()), minRetry)
	}
	return again.after(count)
}
