package lab_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/lab"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/vendors"
	"github.com/quotary/quotary/tee"
)

// shared is a world for tests that alter nothing in it, by real time.
var shared = sync.OnceValues(func() (*simulators.World, error) { return simulators.NewMoving("lab", time.Now) })

// bare are machines whose evidence brings no endorsements along but those that cannot
// be fetched, and the policy that suits them.
func bare(t *testing.T, w *simulators.World) (map[string]tee.Attester, []policies.File) {
	t.Helper()
	report, td := w.SEVSNP.Report("bare"), tdx.DefaultMachine()
	td.Name = "bare"
	guest := must[*sevsnp.Machine](t)(w.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: "bare", Report: report, WithoutCertificates: true}))
	return map[string]tee.Attester{"amd": guest, "intel": w.TDX.NewMachine(td)}, []policies.File{
		workload("guest", fmt.Sprintf("{sev_snp: {measurements: [%x], minimum_tcb: {bootloader: 0, tee: 0, snp: 0, microcode: 0}}}", report.Measurement)),
		workload("domain", fmt.Sprintf("{tdx: {mrtd: [%x], rtmr0: any, rtmr1: any, rtmr2: any, rtmr3: any}}", td.MRTD)),
	}
}

// throughPCCS has the service ask a caching service for Intel's endorsements.
func throughPCCS(c *daemon.Config) {
	root := strings.TrimSuffix(c.Vendors.AMDKDS, vendors.AMDKDS)
	c.Vendors.IntelPCS, c.Vendors.IntelRoot, c.Vendors.IntelPCCS = "", "", root+vendors.IntelPCCS
}

// A service that was given nothing but roots and policies fetches what it needs from
// the simulated vendors, and goes on while all of them fail, after a restart too.
func TestFetch(t *testing.T) {
	w := must[*simulators.World](t)(shared())
	machines, documents := bare(t, w)
	l := open(t, lab.Options{World: w, Fetch: true, Documents: documents})
	for name, machine := range machines {
		if _, err := attest(t, l, machine); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, service := range []string{vendors.AMDKDS, vendors.IntelPCS, vendors.IntelRoot} {
		if l.Vendors().Counts()[service].Requests == 0 {
			t.Errorf("%s was not asked", service)
		}
	}
	for _, service := range vendors.Services() {
		if err := l.Vendors().Inject(service + "/dead"); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for name, machine := range machines {
			if _, err := attest(t, l, machine); err != nil {
				t.Errorf("%s, while the vendors are dead: %v", name, err)
			}
		}
		if err := l.Restart(); err != nil {
			t.Fatal(err)
		}
	}
}

// A service that needs what a fault spoils refuses, with the fault's code, and says
// when to come back where the vendor's silence is the reason.
func TestVendorFaults(t *testing.T) {
	w := must[*simulators.World](t)(shared())
	machines, documents := bare(t, w)
	for _, fault := range vendors.Faults() {
		if service, kind, transport := strings.Cut(fault.Name, "/"); transport {
			// TestSlowVendor has the slow one; at the others' one kind will do.
			if kind == "slow" || service != vendors.AMDKDS && kind != "dead" {
				continue
			}
		}
		t.Run(fault.Name, func(t *testing.T) {
			o := lab.Options{World: w, Fetch: true, Documents: documents, Dir: t.TempDir()}
			if fault.Service == vendors.IntelPCCS {
				o.Configure = throughPCCS
			}
			o.Vendors = func(s *vendors.Server) error {
				if fault.Machines {
					return s.Inject(fault.Name, "bare")
				}
				return s.Inject(fault.Name)
			}
			l := open(t, o)
			vendor, _, _ := strings.Cut(fault.Service, "-")
			_, err := attest(t, l, machines[vendor])
			var problem *client.Problem
			if !errors.As(err, &problem) {
				t.Fatalf("not refused: %v", err)
			}
			if fault.Code == evidence.CodeEndorsementsMissing {
				if evidence.CodeOf(err) != fault.Code || problem.Status != 503 || problem.RetryAfter <= 0 {
					t.Errorf("status %d, again after %s: %v", problem.Status, problem.RetryAfter, err)
				}
			} else if check, ok := problem.Checks.Get(fault.Code); !ok || check.Status != evidence.Fail {
				t.Errorf("status %d: %v, want %s to fail: %v", problem.Status, err, fault.Code, problem.Checks.Failed())
			}
			if l.Vendors().Counts()[fault.Service].Faulty == 0 && l.Vendors().Counts()[vendors.IntelPCS].Faulty == 0 {
				t.Error("the fault does not count")
			}
		})
	}
}

// A request that waits for a slow vendor gets its answer as soon as the vendor does.
func TestSlowVendor(t *testing.T) {
	w := must[*simulators.World](t)(shared())
	machines, documents := bare(t, w)
	l := open(t, lab.Options{World: w, Fetch: true, Documents: documents, Vendors: func(s *vendors.Server) error {
		return s.Inject(vendors.AMDKDS + "/slow")
	}})
	attested := make(chan error, 1)
	go func() {
		for { // a loaded machine may take longer than the service's patience
			_, err := attest(t, l, machines["amd"])
			if evidence.CodeOf(err) != evidence.CodeEndorsementsMissing {
				attested <- err
				return
			}
		}
	}()
	for l.Vendors().Counts()[vendors.AMDKDS].Requests == 0 {
		time.Sleep(time.Millisecond)
	}
	l.Vendors().Clear()
	if err := <-attested; err != nil {
		t.Error(err)
	}
}

// What the vendors revoke reaches a running service with the next refresh, and stays:
// a vendor that takes it back is one that was rolled back.
func TestRevocationStays(t *testing.T) {
	w := must[*simulators.World](t)(shared())
	machines, documents := bare(t, w)
	l := open(t, lab.Options{World: w, Documents: documents})
	if err := l.Refresh(t.Context()); err != nil { // with the machines made since
		t.Fatal(err)
	}
	for name, fault := range map[string]struct {
		name     string
		machines []string
		code     evidence.Code
	}{
		"amd":   {"ask-revoked", nil, evidence.CodeSNPRevocation},
		"intel": {"pck-revoked", []string{"bare"}, evidence.CodeTDXPCKRevocation},
	} {
		if _, err := attest(t, l, machines[name]); err != nil {
			t.Fatal(err)
		}
		if err := l.Vendors().Inject(fault.name, fault.machines...); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := l.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			var problem *client.Problem
			if _, err := attest(t, l, machines[name]); !errors.As(err, &problem) {
				t.Fatalf("%s: %v", fault.name, err)
			}
			if check, ok := problem.Checks.Get(fault.code); !ok || check.Status != evidence.Fail {
				t.Errorf("%s: %v", fault.name, problem.Checks.Failed())
			}
			l.Vendors().Clear()
		}
	}
}

// What is forged or over displaces nothing that a service has.
func TestForgedChangesNothing(t *testing.T) {
	w := must[*simulators.World](t)(shared())
	machines, documents := bare(t, w)
	l := open(t, lab.Options{World: w, Documents: documents})
	for _, fault := range vendors.Faults() {
		if strings.HasSuffix(fault.Name, "-forged") || strings.HasSuffix(fault.Name, "-expired") {
			if err := l.Vendors().Inject(fault.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, machine := range machines {
		if _, err := attest(t, l, machine); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Nobody waits for a vendor that does not answer: the service says when to come back.
// This takes as long as its patience, in which nothing is computed.
func TestVendorThatNeverAnswers(t *testing.T) {
	t.Parallel()
	w := must[*simulators.World](t)(shared())
	machines, documents := bare(t, w)
	l := open(t, lab.Options{World: w, Fetch: true, Documents: documents, Vendors: func(s *vendors.Server) error {
		return errors.Join(s.Inject(vendors.AMDKDS+"/slow"), s.Inject(vendors.IntelPCS+"/slow"), s.Inject(vendors.IntelRoot+"/slow"))
	}})
	var attesting sync.WaitGroup
	for name, machine := range machines {
		c := must[*client.Client](t)(l.Client())
		defer c.Close()
		key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		attesting.Go(func() {
			_, err := c.Attest(t.Context(), machine, key, client.AttestOptions{})
			var problem *client.Problem
			if !errors.As(err, &problem) || problem.Status != 503 || problem.RetryAfter <= 0 || evidence.CodeOf(err) != evidence.CodeEndorsementsMissing {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	attesting.Wait()
}
