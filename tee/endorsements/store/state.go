package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/strictjson"
	"github.com/quotary/quotary/tee"
)

// stateName is the file with what is not in the endorsements themselves.
const stateName = "state.json"

// stateVersion is the version of its form.
const stateVersion = 1

// state is what the state file holds: for every list and document the newest
// issue ever seen, and for every name, but those of machines' keys, when it was
// fetched and what failed.
type state struct {
	Version int         `json:"version"`
	Names   []nameState `json:"names"`
}

type nameState struct {
	Type      string    `json:"type"`
	ID        string    `json:"id"`
	Simulated bool      `json:"simulated,omitempty"`
	Sequence  uint64    `json:"sequence,omitempty"`
	Issued    time.Time `json:"issued,omitzero"`
	Fetched   time.Time `json:"fetched,omitzero"`
	Checked   time.Time `json:"checked,omitzero"`
	Failed    time.Time `json:"failed,omitzero"`
	Code      string    `json:"code,omitempty"`  // of the error
	Error     string    `json:"error,omitempty"` // its sentence
}

func (n nameState) name() tee.EndorsementName { return tee.EndorsementName{Type: n.Type, ID: n.ID} }

func (n nameState) slot() slot { return slot{n.name(), n.Simulated} }

func (n nameState) floor() floor { return floor{n.Sequence, n.Issued} }

// isOf reports whether the dates are those of an entry, and not of another issue.
func (n nameState) isOf(e *entry) bool { return !e.isCounted() || e.against(n.floor()) == 0 }

// parseState reads a state file. Whoever can write it can at worst have the store
// refuse what is older than the file says.
func parseState(data []byte) (state, error) {
	var s state
	err := strictjson.Check(data, strictjson.Rules{Depth: 3, Elements: maxStateNames, Text: maxStateText, NoNull: true})
	if err != nil {
		return s, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, err
	}
	if s.Version != stateVersion {
		return s, fmt.Errorf("version %d; this build reads version %d", s.Version, stateVersion)
	}
	return s, nil
}

// readState reads the state file; there need not be one.
func (d *directory) readState() (state, error) {
	content, err := d.content(stateName, maxStateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	return parseState(content)
}

func (s state) encode() ([]byte, error) {
	data, err := json.MarshalIndent(s, "", "\t")
	return append(data, '\n'), err
}

// merge joins what two processes know: the higher floor, the later date.
func (s state) merge(other state) state {
	bySlot := map[slot]nameState{}
	for _, n := range append(slices.Clip(s.Names), other.Names...) {
		known, ok := bySlot[n.slot()]
		if ok {
			n = n.merge(known)
		}
		bySlot[n.slot()] = n
	}
	merged := state{Version: stateVersion, Names: make([]nameState, 0, len(bySlot))}
	for _, n := range bySlot {
		if n = n.settle(bySlot); n != (nameState{Type: n.Type, ID: n.ID, Simulated: n.Simulated}) {
			merged.Names = append(merged.Names, n)
		}
	}
	slices.SortFunc(merged.Names, func(a, b nameState) int {
		return cmp.Or(compareNames(a.name(), b.name()), cmp.Compare(a.rank(), b.rank()))
	})
	return merged
}

func (n nameState) merge(other nameState) nameState {
	highest := n.floor().raise(other.floor())
	n.Sequence, n.Issued = highest.sequence, highest.issued
	n.Fetched, n.Checked = later(n.Fetched, other.Fetched), later(n.Checked, other.Checked)
	if other.Failed.After(n.Failed) {
		n.Failed, n.Code, n.Error = other.Failed, other.Code, other.Error
	}
	return n
}

// settle drops a failure that a success came after. A fetch is of a name, so a
// success counts whatever root what it brought rests on.
func (n nameState) settle(bySlot map[slot]nameState) nameState {
	for _, at := range slots(n.name()) {
		if !n.Failed.After(bySlot[at].Checked) {
			n.Failed, n.Code, n.Error = time.Time{}, "", ""
		}
	}
	return n
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// failure is the last error that the state file tells of, or nil.
func (n nameState) failure() error {
	var code evidence.Code
	if n.Error == "" || code.UnmarshalText([]byte(n.Code)) != nil {
		return nil
	}
	return evidence.Errorf(code, n.name().String(), "%s", n.Error)
}

// rank orders the slots of one name.
func (n nameState) rank() int {
	if n.Simulated {
		return 1
	}
	return 0
}

// state gathers what the file should say. The caller holds s.mu.
func (s *Store) state() state {
	bySlot := map[slot]nameState{}
	at := func(at slot) nameState {
		n := bySlot[at]
		n.Type, n.ID, n.Simulated = at.name.Type, at.name.ID, at.simulated
		return n
	}
	for where, f := range s.table.floors {
		n := at(where)
		n.Sequence, n.Issued = f.sequence, f.issued
		bySlot[where] = n
	}
	for _, e := range s.table.few {
		for _, name := range e.names {
			n := at(e.slot(name))
			n.Fetched, n.Checked = e.fetched, e.seen
			bySlot[n.slot()] = n
		}
	}
	for name, f := range s.failures {
		if s.isBare(name) { // there is no end to those of machines' keys
			continue
		}
		n := at(slot{name, false})
		if e := (*evidence.Error)(nil); errors.As(f.err, &e) {
			n.Failed, n.Code, n.Error = f.since, e.Code.String(), short(e.Detail)
		}
		bySlot[n.slot()] = n
	}
	var all state
	for _, n := range bySlot {
		all.Names = append(all.Names, n)
	}
	return all
}

// isBare reports whether nothing but a failure can be said of a name: it is not of
// the baseline, and what is held of it is at most a key's certificate. The caller
// holds s.mu.
func (s *Store) isBare(name tee.EndorsementName) bool {
	all := slots(name)
	return !s.isBaseline(name) && !slices.ContainsFunc(all[:], func(at slot) bool {
		e := s.table.inForce[at]
		return e != nil && !e.isKey()
	})
}

// short cuts an error's sentence to what the state file takes.
func short(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxStateText)], "")
}
