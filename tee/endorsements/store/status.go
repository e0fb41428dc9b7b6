package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/quotary/quotary/tee"
)

// Status is what the store knows of one name. Times are by the clock of validity,
// and zero if there is nothing to say.
type Status struct {
	Name   tee.EndorsementName `json:"name"`
	Vendor string              `json:"vendor"`
	// Simulated says that it rests on a simulated or test root.
	Simulated bool  `json:"simulated,omitempty"`
	State     State `json:"state"`

	Size     int64     `json:"size,omitempty"` // bytes
	Issued   time.Time `json:"issued,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	Sequence uint64    `json:"sequence,omitempty"`
	// Fetched is when this issue came, Checked when it was last found to be the newest.
	Fetched time.Time `json:"fetched,omitzero"`
	Checked time.Time `json:"checked,omitzero"`
	// Next is when it is looked at again.
	Next time.Time `json:"next,omitzero"`
	// Error is why the last fetch brought nothing, and Failed when that was.
	Error  error     `json:"-"`
	Failed time.Time `json:"failed,omitzero"`
}

// State says in a word how things stand with a name.
type State string

// The states.
const (
	StateCurrent    State = "current"
	StateExpired    State = "expired"    // held, and handed out for the grace
	StateSuperseded State = "superseded" // an older list that is kept for what it revoked, or an issuer for what it signed
	StateMissing    State = "missing"    // part of the baseline, or wanted, and not held
)

// Status returns what the store holds and what it lacks, ordered by vendor and
// name. Names that evidence asked for in vain are not part of it.
func (s *Store) Status() []Status {
	var all []Status
	s.mu.Lock()
	for _, e := range s.table.byDigest {
		all = append(all, s.describe(e)...)
	}
	for _, v := range s.vendors {
		for _, name := range s.absent(v, slices.Concat(s.Baseline(), s.wishes())) {
			all = append(all, s.describeAbsent(v, name))
		}
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Vendor, b.Vendor), compareNames(a.Name, b.Name), b.Issued.Compare(a.Issued))
	})
	return all
}

// describe returns the status of each name of an entry. The caller holds s.mu.
func (s *Store) describe(e *entry) []Status {
	status := Status{
		Vendor: e.vendor.name, Simulated: e.Simulated, State: StateCurrent, Size: e.size(), Issued: e.Issued, Expires: e.Expires, Sequence: e.Sequence,
		Fetched: e.fetched, Checked: e.seen,
	}
	if e.isExpired(s.now()) {
		status.State = StateExpired
	}
	if at, ever := s.nextLook(e); ever && !s.config.Offline {
		status.Next = s.now().Add(max(time.Until(at), 0))
	}
	names := e.names
	if len(names) == 0 {
		names, status.State = e.Provides, StateSuperseded
	}
	all := make([]Status, 0, len(names))
	for _, name := range names {
		status.Name, status.Error, status.Failed = name, nil, time.Time{}
		if f, failed := s.recall(name); failed && status.State != StateSuperseded {
			status.Error, status.Failed = f.err, f.since
		}
		all = append(all, status)
	}
	return all
}

// describeAbsent returns the status of a name that is not held. The caller holds s.mu.
func (s *Store) describeAbsent(v *vendor, name tee.EndorsementName) Status {
	status := Status{Name: name, Vendor: v.name, State: StateMissing}
	if f, failed := s.recall(name); failed {
		status.Error, status.Failed = f.err, f.since
		status.Next = s.now().Add(f.wait(time.Now()))
	}
	return status
}
