package store

import "time"

// nextLook returns when to look whether an entry was renewed, by the monotonic
// clock; ever is false for what is not looked at. It depends on the clock of
// validity only by how much of the entry's life is left, so that a clock that is
// set can make a look due at once or put it off by one interval, no more. The
// caller holds s.mu.
func (s *Store) nextLook(e *entry) (at time.Time, ever bool) {
	if !e.fetchable || len(e.names) == 0 {
		return time.Time{}, false
	}
	interval, ever := s.interval(e)
	if !ever {
		return time.Time{}, false
	}
	at = e.checked.Add(interval - time.Duration(e.jitter*refreshJitter*float64(interval)))
	if f, failed := s.recall(e.source); failed {
		patience := min(firstNameBackoff<<min(f.count, 16), expiredRefresh)
		if again := f.at.Add(patience); again.After(at) {
			at = again
		}
		if f.until.After(at) {
			at = f.until
		}
	}
	return at, true
}

// interval is the longest time between two looks: a part of the life that is
// left, between minRefresh and the configured one. Certificates are renewed near
// their end only.
func (s *Store) interval(e *entry) (interval time.Duration, ever bool) {
	longest := s.config.RefreshEvery
	if e.Expires.IsZero() {
		return longest, e.isCounted()
	}
	left := e.Expires.Sub(s.now())
	switch {
	case e.Certificate != nil && left > certificateAhead:
		return 0, false
	case left <= 0:
		return min(expiredRefresh, longest), true
	}
	return min(max(left/lifeShare, minRefresh), longest), true
}
