package store

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// admit returns what of found is authentic by one vendor. A fault in the
// vendor's code is a refusal.
func (s *Store) admit(v *vendor, found *tee.Endorsements) (admitted []*entry, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			admitted, err = nil, fmt.Errorf("a fault in the endorser of %s: %v", v.name, fault)
		}
	}()
	for _, d := range v.endorser.Admit(found, s.Endorsements(), s.now()) {
		if isWellFormed(d) {
			admitted = append(admitted, s.newEntry(d, v))
		}
	}
	return admitted, nil
}

// admitAnswer stores what a vendor answered, if what was asked for is part of it.
func (s *Store) admitAnswer(t target, found *tee.Endorsements) error {
	admitted, err := s.admit(t.vendor, found)
	if err != nil {
		return evidence.Errorf(evidence.CodeEndorsementNotAuthentic, t.name.String(), "%w", err)
	}
	at := slices.IndexFunc(admitted, func(e *entry) bool { return slices.Contains(e.Provides, t.name) })
	if at < 0 && s.confirmSame(t.name, found) {
		return nil
	}
	if at < 0 {
		return evidence.Errorf(evidence.CodeEndorsementNotAuthentic, t.name.String(),
			"%s answered with nothing authentic of this name: wrong signature, another name, or dated after %s, which is now by this machine's clock; nothing was stored",
			t.vendor.name, stamp(s.now()))
	}
	outcomes := s.take(admitted, s.confirm)
	s.announce(outcomes)
	if err := outcomes[at].err; err != nil {
		return err
	}
	s.looked(t.name)
	if held := outcomes[at].entry; held.isExpired(s.now()) {
		return evidence.Errorf(evidence.CodeEndorsementStale, t.name.String(),
			"the newest that %s has expired on %s; if this machine's clock is right, wait for the vendor (or bring the mirror up to date)", t.vendor.name, stamp(held.Expires))
	}
	return nil
}

// take puts admitted entries into the table, and what changed into the snapshot.
// Of each that is in force then, note takes note; it is called with s.mu held.
func (s *Store) take(admitted []*entry, note func(at int, o outcome)) []outcome {
	outcomes := make([]outcome, len(admitted))
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := false
	for i, e := range admitted {
		o := s.table.put(e)
		if outcomes[i] = o; o.err == nil {
			note(i, o)
		}
		changed = changed || o.changed || o.kept
	}
	if changed {
		s.publishLocked()
	}
	return outcomes
}

// confirm notes that an entry is the newest there is, just now. The caller holds s.mu.
func (s *Store) confirm(_ int, o outcome) {
	e := o.entry
	if o.changed {
		e.fetched = s.now()
		e.vendor.count(func(served *served) { served.stored++ })
	}
	e.seen, e.checked, e.jitter = s.now(), time.Now(), s.config.Random()
	if !e.isKey() {
		s.table.changes.state = true
	}
}

// looked notes that the vendor was asked for a name just now, whatever stands in
// its slots: where there are two, the answer can confirm one of them only.
func (s *Store) looked(name tee.EndorsementName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range slots(name) {
		if e := s.table.inForce[at]; e != nil {
			e.checked = time.Now()
		}
	}
}

// accept notes that an entry came from somebody who cannot say that it is the
// newest: the vendor is asked soon. The caller holds s.mu.
func (s *Store) accept(_ int, o outcome) {
	if o.changed {
		o.entry.fetched, o.entry.jitter = s.now(), s.config.Random()
		o.entry.checked = time.Now().Add(-s.config.RefreshEvery)
	}
}

// confirmSame confirms what is held if it is what the vendor has, byte for byte:
// after the clock was set back, it would not be admitted anew.
func (s *Store) confirmSame(name tee.EndorsementName, found *tee.Endorsements) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	contents := digests(found)
	for _, at := range slots(name) {
		if held := s.table.inForce[at]; held != nil && slices.Contains(contents, held.digest) {
			s.confirm(0, outcome{entry: held})
			return true
		}
	}
	return false
}

// digests lists what a heap holds.
func digests(e *tee.Endorsements) []digest {
	var all []digest
	for _, cert := range e.Certificates() {
		all = append(all, sha256.Sum256(cert.Raw))
	}
	for _, list := range e.RevocationLists() {
		all = append(all, sha256.Sum256(list.Raw))
	}
	for _, d := range e.AllDocuments() {
		all = append(all, sha256.Sum256(d.Raw))
	}
	return all
}

// announce tells of what came into force.
func (s *Store) announce(outcomes []outcome) {
	for _, o := range outcomes {
		if o.changed && o.err == nil {
			s.config.Notify(Event{Vendor: o.entry.vendor.name, Name: o.entry.Provides[0], Withdraws: o.entry.isCounted()})
		}
	}
}
