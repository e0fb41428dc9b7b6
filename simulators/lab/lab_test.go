package lab_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/lab"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// open opens a lab in a directory of its own.
func open(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	l := must[*lab.Lab](t)(lab.Open(t.Context(), o))
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// workload is a policy document that grants a machine an identity.
func workload(name, requirement string) policies.File {
	return policies.File{Name: name + ".yaml", Data: fmt.Appendf(nil, `apiVersion: quotary.dev/v1
kind: Workload
name: %[1]s
identity: {spiffe_id: "spiffe://sim.test/%[1]s"}
allow_simulated: true
any_of: [%[2]s]
`, name, requirement)}
}

// attest attests for a new key.
func attest(t *testing.T, l *lab.Lab, machine tee.Attester) (*client.Identity, error) {
	t.Helper()
	c := must[*client.Client](t)(l.Client())
	defer c.Close()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	return c.Attest(t.Context(), machine, key, client.AttestOptions{})
}

// A lab's service grants identities to machines of its world, those that are made
// while it runs too, and is found where it was after a restart.
func TestLab(t *testing.T) {
	l := open(t, lab.Options{World: must[*simulators.World](t)(shared())})
	td := tdx.DefaultMachine()
	machine := l.World().TDX.NewMachine(td)
	if _, err := attest(t, l, machine); evidence.CodeOf(err) == (evidence.Code{}) {
		t.Fatalf("without a policy: %v", err)
	}
	granted := workload("ledger", fmt.Sprintf("{tdx: {mrtd: [%x], rtmr0: any, rtmr1: any, rtmr2: any, rtmr3: any}}", td.MRTD))
	if err := l.Grant(t.Context(), granted); err != nil {
		t.Fatal(err)
	}
	identity := must[*client.Identity](t)(attest(t, l, machine))
	if identity.SPIFFEID != "spiffe://sim.test/ledger" || !identity.Simulated {
		t.Errorf("%s, simulated %v", identity.SPIFFEID, identity.Simulated)
	}
	if err := l.Grant(t.Context(), workload("wrong", "{tdx: {}, tmp: {}}"), policies.File{Name: "ledger.yaml"}); err == nil {
		t.Error("a set was granted that does not load")
	}
	url := l.URL()
	if err := l.Restart(); err != nil {
		t.Fatal(err)
	}
	if l.URL() != url {
		t.Errorf("at %s, then at %s", url, l.URL())
	}
	must[*client.Identity](t)(attest(t, l, machine)) // what was refused is not kept

	report := l.World().SEVSNP.Report("late")
	late := must[*sevsnp.Machine](t)(l.World().SEVSNP.NewMachine(sevsnp.MachineOptions{Name: "late", Report: report, WithoutCertificates: true}))
	if err := l.Grant(t.Context(), workload("late", fmt.Sprintf("{sev_snp: {measurements: [%x], minimum_tcb: {bootloader: 0, tee: 0, snp: 0, microcode: 0}}}", report.Measurement))); err != nil {
		t.Fatal(err)
	}
	if _, err := attest(t, l, late); evidence.CodeOf(err) != evidence.CodeEndorsementsMissing {
		t.Errorf("before its certificate is published: %v", err)
	}
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	must[*client.Identity](t)(attest(t, l, late))
}

// enrolling is a simulated machine as the SDK enrols it.
type enrolling struct{ *tpm.Machine }

func (e enrolling) EnrolmentRequest(context.Context) (evidence.Enrolment, error) {
	return e.Enrolment()
}

func (e enrolling) Activate(_ context.Context, c tee.Credential) ([]byte, error) {
	return e.Machine.Activate(c)
}

// A TPM enrols with the simulated maker's certificate.
func TestEnrolment(t *testing.T) {
	l := open(t, lab.Options{World: must[*simulators.World](t)(shared())})
	machine := must[*tpm.Machine](t)(l.World().TPM.NewMachine(tpm.MachineOptions{Name: "builder", PCRs: []int{7}, WithoutCertificate: true}))
	if err := machine.Measure(7, []byte("secure boot on")); err != nil {
		t.Fatal(err)
	}
	err := l.Grant(t.Context(), workload("builder", fmt.Sprintf("{tpm: {ak: {sources: [enrolled]}, pcrs: {sha256: {7: [%s]}}}}", machine.PCRs()[tpm.SHA256][7])))
	if err != nil {
		t.Fatal(err)
	}
	c := must[*client.Client](t)(l.Client())
	defer c.Close()
	enrolled := must[*client.AttestationKey](t)(c.Enrol(t.Context(), enrolling{machine}, client.EnrolOptions{}))
	machine.UseCertificates(enrolled.Certificates)
	must[*client.Identity](t)(attest(t, l, machine))
}

// Time travel moves vendors and service together: what the vendors published runs
// out, until they publish again.
func TestTravel(t *testing.T) {
	td := tdx.DefaultMachine()
	l := open(t, lab.Options{Seed: "lab", Documents: []policies.File{
		workload("ledger", fmt.Sprintf("{tdx: {mrtd: [%x], rtmr0: any, rtmr1: any, rtmr2: any, rtmr3: any}}", td.MRTD)),
	}})
	machine := l.World().TDX.NewMachine(td)
	must[*client.Identity](t)(attest(t, l, machine))
	l.Clock().Travel(40 * 24 * time.Hour)
	var problem *client.Problem
	if _, err := attest(t, l, machine); !errors.As(err, &problem) {
		t.Errorf("by collateral that has expired: %v", err)
	}
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	identity := must[*client.Identity](t)(attest(t, l, machine))
	if now := l.Clock().Now(); identity.NotAfter.Before(now) || time.Until(now) < 39*24*time.Hour {
		t.Errorf("the identity ends at %s, now is %s", identity.NotAfter, now)
	}
}

// The first administrator is at hand, where files decide over the policies and where
// administrators do, and a restart changes nothing of that.
func TestAdmin(t *testing.T) {
	for mode, configure := range map[string]func(*daemon.Config){
		"files": nil, "service": func(c *daemon.Config) { c.Policies = nil },
	} {
		l := open(t, lab.Options{World: must[*simulators.World](t)(shared()), Configure: configure})
		if err := l.Restart(); err != nil {
			t.Fatal(err)
		}
		c := must[*admin.Client](t)(l.Admin())
		defer c.Close()
		policy := must[*admin.Policy](t)(c.Policy(t.Context()))
		if policy.Mode != mode {
			t.Errorf("%s decide, want %s", policy.Mode, mode)
		}
		if err := l.Grant(t.Context()); (err == nil) != (mode == "files") {
			t.Errorf("%s: %v", mode, err)
		}
	}
}
