package continuous

import (
	"maps"
	"time"
)

// Status is how things stand.
type Status struct {
	Mode Mode
	Due  bool // a sweep waits, or is under way
	// Last is the last sweep of all identities that came to its end; zero before the first.
	Last Sweep
	// Fault is why a sweep was left; empty if none was, or one came to its end since. It is
	// tried again.
	Fault string
	// What was counted since the start: sweeps that came to their end, by their first trigger,
	// those that did not, identities looked at, certificates revoked.
	Sweeps   map[Trigger]uint64
	Failures uint64
	Reviewed uint64
	Revoked  map[Cause]uint64
}

// Sweep is what became of one.
type Sweep struct {
	At       time.Time
	Took     time.Duration
	Triggers []Trigger
	Reviewed int // identities that were looked at
	Revoked  int
	Failing  int // those that no longer pass and live on, because the mode is to report
	Unknown  int // those of which the record does not tell whether they would pass
}

func newStatus(mode Mode) Status {
	st := Status{Mode: mode, Sweeps: map[Trigger]uint64{}, Revoked: map[Cause]uint64{}}
	for _, t := range Triggers() {
		st.Sweeps[t] = 0
	}
	for _, c := range Causes() {
		st.Revoked[c] = 0
	}
	return st
}

// Status says how things stand.
func (s *Sweeper) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.Due = s.under || len(s.due.triggers) > 0 || st.Fault != ""
	st.Sweeps, st.Revoked = maps.Clone(st.Sweeps), maps.Clone(st.Revoked)
	return st
}

// finish notes what became of a sweep.
func (s *Sweeper) finish(found Sweep, all bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under = false
	s.status.Reviewed += uint64(found.Reviewed)
	if err != nil {
		return
	}
	s.status.Fault = ""
	s.status.Sweeps[found.Triggers[0]]++
	if all {
		s.status.Last = found
	}
}

// count adds certificates that were revoked.
func (s *Sweeper) count(c Cause, revoked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Revoked[c] += uint64(revoked)
}
