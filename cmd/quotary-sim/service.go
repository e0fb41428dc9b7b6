package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/lab"
)

// trustDomain is a name that nobody can own (RFC 2606).
const trustDomain = "demo.test"

// openLab makes a world that nobody made before, a machine of each technology in it,
// and a service that grants each an identity.
func openLab(ctx context.Context, dir, listen string) (*lab.Lab, []workload, error) {
	world, err := simulators.NewMoving(rand.Text(), time.Now)
	if err != nil {
		return nil, nil, err
	}
	workloads, err := newWorkloads(world)
	if err != nil {
		return nil, nil, err
	}
	var documents []policies.File
	for _, w := range workloads {
		documents = append(documents, policies.File{Name: w.name + ".yaml", Data: []byte(w.document(trustDomain))})
	}
	l, err := lab.Open(ctx, lab.Options{World: world, Dir: dir, TrustDomain: trustDomain, Listen: listen, Documents: documents})
	return l, workloads, elsewhereIfTaken(err)
}

// elsewhereIfTaken says what to do where an address cannot be listened at.
func elsewhereIfTaken(err error) error {
	var network *net.OpError
	if errors.As(err, &network) {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	return err
}
