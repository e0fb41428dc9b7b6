package tdx

import (
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// clock is the simulated vendor's time, and that of verifications.
var clock = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// scene is a simulated vendor, one of its machines, its collateral, and a
// verifier that trusts it. Tests alter one thing and judge.
type scene struct {
	vendor     *simulated.Vendor
	machine    *simulated.Machine
	collateral simulated.Collateral
	verifier   *Verifier
	now        time.Time
}

// reportData is what simulated quotes carry.
var reportData = [64]byte{0: 0xaa, 63: 0xbb}

func newScene(tb testing.TB, alter ...func(*simulated.MachineOptions)) *scene {
	tb.Helper()
	vendor := simulated.NewVendor(simulated.Options{Seed: "test", Clock: func() time.Time { return clock }})
	opts := simulated.DefaultMachine()
	for _, f := range alter {
		f(&opts)
	}
	return &scene{
		vendor: vendor, machine: vendor.NewMachine(opts), collateral: vendor.Collateral(),
		verifier: newVerifier(tb, vendor.Anchor()), now: clock,
	}
}

// verify judges a quote with the scene's collateral.
func (s *scene) verify(quote []byte) tee.Outcome {
	e := &tee.Endorsements{}
	s.collateral.AddTo(e)
	return s.verifier.Verify(&evidence.TDX{Quote: quote}, e, tee.Params{Now: s.now})
}

// genuine judges an unaltered quote.
func (s *scene) genuine() tee.Outcome { return s.verify(s.machine.Quote(reportData)) }

// parts judges an altered quote that is signed again.
func (s *scene) parts(alter func(*simulated.Parts)) tee.Outcome {
	p := s.machine.Parts(reportData)
	alter(p)
	return s.verify(p.Assemble())
}

// TestSimulatedMachines judges machines of every kind.
func TestSimulatedMachines(t *testing.T) {
	for name, alter := range map[string]func(*simulated.MachineOptions){
		"version 4":            func(*simulated.MachineOptions) {},
		"version 5":            func(o *simulated.MachineOptions) { o.Version = 5 },
		"version 5, report1.5": func(o *simulated.MachineOptions) { o.Version, o.TD15 = 5, true },
		"Processor CA":         func(o *simulated.MachineOptions) { o.Processor = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, alter)
			out := s.genuine()
			requireGenuine(t, out)
			if got := out.Claims.TDX.TCB; got.Status != "UpToDate" || got.ModuleStatus != "UpToDate" || got.EvaluationDataNumber != 20 {
				t.Errorf("TCB %+v", got)
			}
			if !out.Claims.Simulated || out.Claims.TrustAnchor.Origin != evidence.OriginSimulated {
				t.Error("not marked simulated")
			}
			if string(out.ReportData) != string(reportData[:]) {
				t.Errorf("report data %x", out.ReportData)
			}
			if want := clock.Add(30*24*time.Hour - time.Hour); !out.ValidUntil.Equal(want) {
				t.Errorf("valid until %v, want %v", out.ValidUntil, want)
			}
		})
	}
}

func requireGenuine(tb testing.TB, out tee.Outcome) {
	tb.Helper()
	if !out.Genuine() {
		tb.Fatalf("not genuine: %v, missing %v", out.Checks.Failed(), out.Missing)
	}
}
