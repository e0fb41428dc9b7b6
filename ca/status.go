package ca

import (
	"crypto/x509"
	"time"
)

// Slot describes an authority that is in a slot.
type Slot struct {
	Name  string // "A" or "B"
	State State
	// Since is when it came into this state.
	Since time.Time
	// Authority names it: 16 hex digits.
	Authority string
	// Keys says where its issuing key is: [InFile], or the label of a store.
	Keys string
	// Root and Issuing are its certificates.
	Root, Issuing *x509.Certificate
}

// Status is what the slots hold.
type Status struct {
	Slots []Slot
	// Sequence is that of the bundle.
	Sequence uint64
	// PrepareAt and ActivateAt are when the active authority's age calls for the next.
	PrepareAt, ActivateAt time.Time
	// RootKey is whether the key of the active authority's root is in the folder.
	RootKey bool
	// RootListUntil is when the revocation list of that root ends that was signed elsewhere and
	// installed; zero without one.
	RootListUntil time.Time
}

// Status returns what the slots hold, from the files.
func (s *Slots) Status() (out Status, err error) {
	err = locked(s.dir, func() error {
		b := &book{Slots: s}
		if err := b.read(); err != nil {
			return err
		}
		out, err = b.slots.status(func(id string) (*hierarchy, error) {
			return s.realm.read(authorityDir(s.dir, b.changes, id))
		})
		if err != nil {
			return err
		}
		key, err := b.rootKey(b.slots.find(Active).root)
		if err != nil {
			return err
		}
		out.RootKey = key != ""
		list, err := installedRootList(s.dir, out.active().Root)
		if list != nil {
			out.RootListUntil = list.NextUpdate
		}
		return err
	})
	return out, err
}

// Status returns what is in force. It does not look for the root's key and list.
func (a *Authority) Status() Status {
	f := a.force.Load()
	status, _ := f.slots.status(func(id string) (*hierarchy, error) { return f.all[id], nil })
	return status
}

// status describes the slots; find finds their authorities.
func (s slots) status(find func(id string) (*hierarchy, error)) (out Status, err error) {
	out.Sequence = s.sequence
	for i, m := range s.places {
		if m == nil {
			continue
		}
		h, err := find(m.id)
		if err != nil {
			return out, err
		}
		out.Slots = append(out.Slots, Slot{
			Name: [...]string{"A", "B"}[i], State: m.state, Since: m.since, Authority: m.id, Root: h.root, Issuing: h.issuing, Keys: h.where,
		})
		if m.state == Active {
			part := h.span() / rotationParts
			out.PrepareAt, out.ActivateAt = h.begin().Add(prepareParts*part), h.begin().Add(activateParts*part)
		}
	}
	return out, nil
}

// active is the slot of the authority that issues.
func (s Status) active() (found Slot) {
	for _, slot := range s.Slots {
		if slot.State == Active {
			found = slot
		}
	}
	return found
}

// PEM returns the roots of the authorities in the slots, each once: what to give to
// relying parties that do not fetch the bundle.
func (s Status) PEM() []byte {
	var out [][]byte
	for i, slot := range s.Slots {
		if i == 0 || !slot.Root.Equal(s.Slots[0].Root) {
			out = append(out, slot.Root.Raw)
		}
	}
	return encodePEM(out...)
}
