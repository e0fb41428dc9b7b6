package continuous

import (
	"slices"
	"time"
)

// Trigger is why identities are looked at.
type Trigger string

// The triggers.
const (
	Start      Trigger = "start"      // of the service
	Policy     Trigger = "policy"     // another set is in force
	Collateral Trigger = "collateral" // vendors' lists or documents have changed
	Key        Trigger = "key"        // an attestation key was revoked
	Hour       Trigger = "hour"       // reference values end
	Issuance   Trigger = "issuance"   // something was issued by what was in force before
)

// Triggers lists all.
func Triggers() []Trigger { return []Trigger{Start, Policy, Collateral, Key, Hour, Issuance} }

// want says why live identities are to be looked at: all of them, or those that were issued
// from since on.
type want struct {
	triggers []Trigger // none: nothing is wanted
	since    time.Time // zero: all
}

// with returns what one look does for both.
func (w want) with(other want) want {
	switch {
	case len(w.triggers) == 0:
		return other
	case len(other.triggers) == 0:
		return w
	case other.since.Before(w.since): // and so does all, which is zero
		w.since = other.since
	}
	triggers := slices.Clone(w.triggers)
	for _, t := range other.triggers {
		if !slices.Contains(triggers, t) {
			triggers = append(triggers, t)
		}
	}
	w.triggers = triggers
	return w
}

// Trigger has all identities looked at soon. It is called once the change is in force, by any
// number of callers: what waits already is done once.
func (s *Sweeper) Trigger(t Trigger) {
	s.epoch.Add(1)
	s.ask(want{triggers: []Trigger{t}})
}

// Epoch stands for what is in force. Whoever issues asks for it before anything is judged,
// and hands it to [Sweeper.Issued].
func (s *Sweeper) Epoch() uint64 { return s.epoch.Load() }

// Issued is called when the ledger has an issuance of a time, which was judged from an
// epoch on. If something has changed since, the sweep for that may have passed before the
// ledger had it: what was issued from then on is looked at once more.
func (s *Sweeper) Issued(epoch uint64, at time.Time) {
	if s.Epoch() != epoch {
		s.ask(want{triggers: []Trigger{Issuance}, since: at.Truncate(time.Microsecond)}) // as the ledger has it
	}
}

func (s *Sweeper) ask(w want) {
	s.mu.Lock()
	s.due = s.due.with(w)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // somebody did
	}
}

// take returns what is due, which then is no longer.
func (s *Sweeper) take() want {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.due
	s.due, s.under = want{}, len(w.triggers) > 0
	return w
}
