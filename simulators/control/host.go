package control

import (
	"context"
	"os"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/fleet"
	"github.com/quotary/quotary/simulators/lab"
	"github.com/quotary/quotary/simulators/vendors"
	"github.com/quotary/quotary/tee/endorsements"
)

// Host is who judges the machines: [InProcess] or [Elsewhere].
type Host interface {
	// Admit grants machines what their workloads say.
	Admit(ctx context.Context, granted ...*fleet.Machine) error
	// Refresh hands over what the vendors publish now.
	Refresh(ctx context.Context) error
	// Client returns a client of the service, to be closed; an error with
	// evidence.CodeNotFound where no service is known.
	Client() (*client.Client, error)
	// RootPEM is the root of the service's authority, or nil.
	RootPEM() []byte
}

// InProcess is a host whose service is a lab's.
func InProcess(l *lab.Lab) Host { return &inProcess{lab: l, lines: len(l.World().Lines())} }

type inProcess struct {
	lab   *lab.Lab
	lines int // of products, that the service trusts
}

// Admit grants, and hands over what the vendors publish for the machines. A product line
// that was not there before has a root of its own, which a service reads when it starts.
func (h *inProcess) Admit(ctx context.Context, granted ...*fleet.Machine) error {
	if err := h.lab.Grant(ctx, workloads(h.lab.TrustDomain(), granted)...); err != nil {
		return err
	}
	if lines := len(h.lab.World().Lines()); lines > h.lines {
		h.lines = lines
		if err := h.lab.Restart(); err != nil {
			return err
		}
	}
	return h.lab.Refresh(ctx)
}

func (h *inProcess) Refresh(ctx context.Context) error { return h.lab.Refresh(ctx) }
func (h *inProcess) Client() (*client.Client, error)   { return h.lab.Client() }
func (h *inProcess) RootPEM() []byte                   { return h.lab.RootPEM() }

// Elsewhere is a host that only writes what the operator of a service needs: the service
// is none of ours.
func Elsewhere(w *simulators.World, v *vendors.Server, files lab.Files, trustDomain string) Host {
	return elsewhere{w, v, files, trustDomain}
}

type elsewhere struct {
	world       *simulators.World
	vendors     *vendors.Server
	files       lab.Files
	trustDomain string
}

func (h elsewhere) Admit(ctx context.Context, granted ...*fleet.Machine) error {
	if err := h.files.Write(h.world, workloads(h.trustDomain, granted)); err != nil {
		return err
	}
	return h.Refresh(ctx)
}

// Refresh writes what the vendors publish, faults of that included.
func (h elsewhere) Refresh(context.Context) error {
	published, err := h.vendors.Endorsements()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(h.files.Endorsements()); err != nil {
		return err
	}
	return endorsements.Save(h.files.Endorsements(), published)
}

func (elsewhere) Client() (*client.Client, error) {
	return nil, evidence.Errorf(evidence.CodeNotFound, "", "no service runs here: attest, and send the evidence to yours")
}

func (elsewhere) RootPEM() []byte { return nil }

func workloads(trustDomain string, granted []*fleet.Machine) []policies.File {
	var documents []policies.File
	for _, m := range granted {
		documents = append(documents, m.Workload(trustDomain))
	}
	return documents
}
