package lab

import (
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
)

// Write writes what the operator of another service needs for it to trust a world: the
// roots, what the vendors publish now, and these policy documents.
func (f Files) Write(w *simulators.World, documents []policies.File) error {
	if err := f.make(); err != nil {
		return err
	}
	if err := f.writeRoots(w); err != nil {
		return err
	}
	if err := f.writePolicies(documents); err != nil {
		return err
	}
	published, err := w.Endorsements()
	if err != nil {
		return err
	}
	return f.writeEndorsements(published)
}
