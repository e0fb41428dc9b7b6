package ca

import (
	"time"
)

// State is what an authority is there for.
type State string

// The states of an authority, in the order in which it goes through them.
const (
	Prepared State = "prepared" // in the bundle, so that it becomes known; issues nothing yet
	Active   State = "active"   // issues
	Old      State = "old"      // issues no more; in the bundle for as long as its leaves last
	Tainted  State = "tainted"  // as Old, and not to be relied on: its leaves are to be replaced now
	Revoked  State = "revoked"  // out of the bundle, its keys destroyed
)

// Step is a change of an authority's state.
type Step string

// The steps, each named as what is done to the authority.
const (
	StepPrepare  Step = "prepare"
	StepActivate Step = "activate" // what was active becomes old
	StepTaint    Step = "taint"
	StepRevoke   Step = "revoke"
)

// member is an authority in a slot. It is immutable.
type member struct {
	id, root string
	state    State
	since    time.Time // in this state
	ceased   time.Time // to issue; zero before
}

// slots are the two places for authorities, A and B: at most one issues, and at
// most one other comes next or came before. They follow from the journal alone.
type slots struct {
	places   [2]*member
	sequence uint64
}

// replay follows the journal.
func replay(changes []Change) (s slots, err error) {
	known := map[string]bool{}
	for i, c := range changes {
		if s, err = s.apply(c, i == 0, known[c.Authority]); err != nil {
			return slots{}, err
		}
		known[c.Authority] = true
	}
	if s.find(Active) == nil {
		return slots{}, refuseJournal("no authority is active")
	}
	return s, nil
}

// apply returns the slots after c. The first change of a journal activates the
// first authority; all others are prepared before.
func (s slots) apply(c Change, first, known bool) (slots, error) {
	if c.Sequence <= s.sequence {
		return s, refuseJournal("change %d: the sequence number does not grow", c.Number)
	}
	s.sequence = c.Sequence
	place, m := s.place(c.Authority)
	next := &member{id: c.Authority, root: c.Root, since: c.Time}
	switch {
	case c.Step == StepActivate && first:
		place, next.state = 0, Active
	case c.Step == StepPrepare && !first && !known:
		next.state = Prepared
		if place = s.free(); place < 0 {
			return s, refuseJournal("change %d: both slots are taken", c.Number)
		}
	case m == nil || m.root != c.Root:
		return s, refuseJournal("change %d: there is no such authority", c.Number)
	case c.Step == StepActivate && m.state == Prepared:
		next.state = Active
		s.supersede(c.Time)
	case c.Step == StepTaint && m.state == Old:
		next.state, next.ceased = Tainted, m.ceased
	case c.Step == StepRevoke && m.state != Active:
		next = nil
	default:
		return s, refuseJournal("change %d: %q is not for an authority that is %s", c.Number, c.Step, m.state)
	}
	s.places[place] = next
	return s, nil
}

// supersede has the active authority become old.
func (s *slots) supersede(at time.Time) {
	for i, m := range s.places {
		if m != nil && m.state == Active {
			s.places[i] = &member{id: m.id, root: m.root, state: Old, since: at, ceased: at}
		}
	}
}

// place is where an authority is; -1 and nil if it is nowhere.
func (s slots) place(id string) (int, *member) {
	for i, m := range s.places {
		if m != nil && m.id == id {
			return i, m
		}
	}
	return -1, nil
}

// free is the slot that is free, or -1.
func (s slots) free() int {
	for i, m := range s.places {
		if m == nil {
			return i
		}
	}
	return -1
}

// members are the authorities in the slots.
func (s slots) members() (list []*member) {
	for _, m := range s.places {
		if m != nil {
			list = append(list, m)
		}
	}
	return list
}

// find is the authority in one of these states, or nil.
func (s slots) find(states ...State) *member {
	for _, m := range s.members() {
		for _, state := range states {
			if m.state == state {
				return m
			}
		}
	}
	return nil
}
