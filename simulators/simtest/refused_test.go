package simtest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/simulators/lab"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/simtest"
	"github.com/quotary/quotary/tee"
)

// everyForm are machines of every technology, product line and kind of key.
func everyForm(t *testing.T, w *simtest.World) []*machines.Machine {
	t.Helper()
	specs := []machines.Spec{
		{Name: "turin", Technology: machines.SEVSNP, Product: sevsnp.Turin},
		{Name: "vlek", Technology: machines.SEVSNP, VLEK: "CN=simulated.example"},
		{Name: "enrolling", Technology: machines.TPM, TPM: machines.TPMSpec{Enrolled: true}},
	}
	for _, technology := range machines.Technologies() {
		specs = append(specs, machines.Spec{Name: strings.ReplaceAll(string(technology), "+", "-"), Technology: technology})
	}
	var all []*machines.Machine
	for _, spec := range specs {
		all = append(all, w.Machine(t, spec))
	}
	return all
}

// along are the vendors' roots, and what a machine's technology rests on, as a sender
// has them.
func along(t *testing.T, w *simtest.World, m *machines.Machine) [][]byte {
	t.Helper()
	published := &tee.Endorsements{}
	for _, kind := range m.Kinds() {
		switch kind {
		case evidence.KindSEVSNP:
			line, err := w.Line(m.Spec().Product)
			if err != nil {
				t.Fatal(err)
			}
			published.AddCertificate(line.ARK().Certificate)
			published.AddCertificate(line.ASK().Certificate)
		case evidence.KindTDX:
			w.TDX.Endorsements(published)
		case evidence.KindTPM:
			published.AddCertificate(w.TPM.Root.Certificate)
			published.AddCertificate(w.TPM.Intermediate.Certificate)
		}
	}
	var sent [][]byte
	for _, cert := range published.Certificates() {
		sent = append(sent, cert.Raw)
	}
	for _, list := range published.RevocationLists() {
		sent = append(sent, list.Raw)
	}
	for _, document := range published.AllDocuments() {
		sent = append(sent, document.Raw)
	}
	return sent
}

// A service whose operator does not trust the simulated roots refuses every form of
// simulated evidence, however it comes and wherever the roots stand; and one whose
// operator does grants it nothing where policy is silent.
func TestSimulatedEvidenceIsRefusedInEveryForm(t *testing.T) {
	world := simtest.New(t)
	all := everyForm(t, world)
	trusts := func(c *daemon.Config) string { return c.Simulated.Roots[0] } // lab's folder of roots
	for name, c := range map[string]struct {
		lab.Options
		silent bool
	}{
		"default": {Options: lab.Options{Configure: func(c *daemon.Config) {
			c.Simulated, c.Endorsements = daemon.Simulated{}, nil
		}}},
		"with what the vendors publish, roots included": {Options: lab.Options{Configure: func(c *daemon.Config) {
			c.Endorsements, c.Simulated = append(c.Endorsements, trusts(c)), daemon.Simulated{}
		}}},
		"fetching from the simulated vendors": {Options: lab.Options{Fetch: true, Configure: func(c *daemon.Config) { c.Simulated = daemon.Simulated{} }}},
		"roots for TPMs": {Options: lab.Options{Configure: func(c *daemon.Config) {
			roots := []string{filepath.Join(trusts(c), "tpm-root-SIMULATED.pem"), filepath.Join(trusts(c), "tpm-ek-root-SIMULATED.pem")}
			c.TPM = daemon.TPM{Roots: roots[:1], Enrolment: daemon.Enrolment{Roots: roots[1:]}}
			c.Simulated = daemon.Simulated{}
		}}},
		"accepted, under no root":        {Options: lab.Options{Configure: func(c *daemon.Config) { c.Simulated.Roots = nil }}},
		"accepted, but policy is silent": {silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, m := range all {
				document := m.Workload(lab.DefaultTrustDomain)
				if c.silent {
					document.Data = []byte(strings.Replace(string(document.Data), "allow_simulated: true\n", "", 1))
				}
				c.Documents = append(c.Documents, document)
			}
			service := world.ServiceWith(t, c.Options)
			connection := service.Dial(t)
			for _, m := range all {
				for _, sent := range [][][]byte{nil, along(t, world, m)} {
					refused(t, connection, m, sent)
				}
			}
			if _, err := connection.Enrol(t.Context(), all[2], client.EnrolOptions{}); !c.silent && err == nil {
				t.Error("a simulated TPM was enrolled")
			}
		})
	}
	t.Run("accepted by both", func(t *testing.T) { // or the above would prove nothing
		service := world.Service(t, all...)
		service.Enrol(t, all[2])
		for _, m := range all {
			identity := service.Attest(t, m)
			if !identity.Simulated || !ca.IsSimulated(identity.Certificate.Leaf) {
				t.Errorf("%s: not marked as simulated", m.Spec().Name)
			}
		}
	})
}

// refused has a machine attest with endorsements, and be refused.
func refused(t *testing.T, c *client.Client, m *machines.Machine, sent [][]byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := c.Attest(t.Context(), m, key, client.AttestOptions{Endorsements: sent})
	var problem *client.Problem
	if identity != nil || !errors.As(err, &problem) || problem.Verdict != "rejected" && problem.Verdict != "undecided" {
		t.Errorf("%s with %d endorsements: %v", m.Spec().Name, len(sent), err)
	}
}

// A product line that was made while a service runs is trusted from its restart on.
func TestProductLineMadeLate(t *testing.T) {
	world := simtest.New(t)
	service := world.ServiceWith(t, lab.Options{Fetch: true})
	late := world.Machine(t, machines.Spec{Name: "late", Technology: machines.SEVSNP, Product: sevsnp.Turin})
	service.Admit(t, late)
	service.Refused(t, late)
	if err := service.Restart(); err != nil {
		t.Fatal(err)
	}
	service.Attest(t, late)
}

// A machine whose key its vendor revoked is refused, and its neighbour is not.
func TestRevokedMachine(t *testing.T) {
	world := simtest.New(t)
	revoked := world.Machine(t, machines.Spec{Name: "revoked", Technology: machines.TDX})
	neighbour := world.Machine(t, machines.Spec{Name: "neighbour", Technology: machines.TDX})
	service := world.Service(t, revoked, neighbour)
	if err := service.Vendors().Inject("pck-revoked", revoked.Spec().Name); err != nil {
		t.Fatal(err)
	}
	service.Admit(t)
	if check, ok := service.Refused(t, revoked).Checks.Get(evidence.CodeTDXPCKRevocation); !ok || check.Status != evidence.Fail {
		t.Errorf("%+v", check)
	}
	service.Attest(t, neighbour)
}
