package lab

import (
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// Files is a lab's directory, with what an operator has in files: for the command
// line, and for whoever wants to look.
type Files string

// Roots is the folder with the simulated vendors' roots.
func (f Files) Roots() string { return filepath.Join(string(f), "simulated", "roots") }

// Endorsements is the folder with what the simulated vendors publish.
func (f Files) Endorsements() string { return filepath.Join(string(f), "simulated", "endorsements") }

// Policies is the folder with the policy set.
func (f Files) Policies() string { return filepath.Join(string(f), "policies") }

// Data is the service's data directory.
func (f Files) Data() string { return filepath.Join(string(f), "data") }

// Root is the root of the service's authority, once it has started.
func (f Files) Root() string { return filepath.Join(f.Data(), "ca", "root.crt") }

func (f Files) make() error {
	for _, dir := range []string{f.Roots(), f.Policies()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// writeRoots writes the roots that evidence and enrolments rest on.
func (f Files) writeRoots(w *simulators.World) error {
	roots := map[string]tee.Anchor{"intel": w.TDX.Anchor(), "tpm": w.TPM.Anchor(), "tpm-ek": w.TPM.EKAnchor()}
	for _, line := range w.Lines() {
		roots["amd-"+line.Product()] = line.Anchor()
	}
	for name, anchor := range roots {
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: anchor.DER})
		if err := os.WriteFile(filepath.Join(f.Roots(), name+"-root-SIMULATED.pem"), block, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeEndorsements replaces what was written before.
func (f Files) writeEndorsements(published *tee.Endorsements) error {
	if err := os.RemoveAll(f.Endorsements()); err != nil {
		return err
	}
	return endorsements.Save(f.Endorsements(), published)
}

// writePolicies writes documents, beside or in place of what is there.
func (f Files) writePolicies(documents []policies.File) error {
	for _, d := range documents {
		if d.Name != filepath.Base(d.Name) || strings.HasPrefix(d.Name, ".") {
			return fmt.Errorf("lab: %q is no name of a policy file", d.Name)
		}
		if err := os.WriteFile(filepath.Join(f.Policies(), d.Name), d.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// resetPolicies has the folder hold these documents alone.
func (f Files) resetPolicies(documents []policies.File) error {
	if err := os.RemoveAll(f.Policies()); err != nil {
		return err
	}
	if err := f.make(); err != nil {
		return err
	}
	for i := range documents {
		documents[i].Name = filepath.Base(documents[i].Name)
	}
	return f.writePolicies(documents)
}
