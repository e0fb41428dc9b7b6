package tdx

import (
	"bytes"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// TestRememberedProofs: what a verifier remembers never changes an outcome. Each
// altered scene is judged by a verifier that has just judged the genuine one,
// and by a fresh one.
func TestRememberedProofs(t *testing.T) {
	for name, alter := range map[string]func(*scene){
		"nothing":         func(*scene) {},
		"later":           func(s *scene) { s.now = clock.AddDate(0, 2, 0) },
		"no CRLs":         func(s *scene) { s.collateral.CRLs = nil },
		"no certificates": func(s *scene) { s.collateral.Certificates = nil },
		"no documents":    func(s *scene) { s.collateral.Documents = nil },
		"revoked": func(s *scene) {
			s.collateral.CRLs[1] = s.vendor.CRL(s.vendor.Platform, s.machine.Certificate().SerialNumber)
		},
		"other TCB": func(s *scene) { s.setTCBInfo(func(i *simulated.TCBInfo) { i.TCBLevels[0].TCBStatus = "Revoked" }) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			requireGenuine(t, s.genuine())
			requireGenuine(t, s.genuine())
			alter(s)
			remembered := s.genuine()
			s.verifier = newVerifier(t, s.vendor.Anchor())
			if fresh := s.genuine(); !reflect.DeepEqual(remembered, fresh) {
				t.Errorf("remembered %+v\nfresh %+v", remembered, fresh)
			}
		})
	}
}

// TestOutcomesDoNotShare: an outcome can be altered without harm to the next.
func TestOutcomesDoNotShare(t *testing.T) {
	s := newScene(t)
	first := s.genuine()
	want := s.genuine()
	first.Claims.TDX.FMSPC[0] ^= 0xff
	first.Claims.TDX.PPID[0] ^= 0xff
	first.Claims.TrustAnchor.SHA256[0] ^= 0xff
	first.Claims.TDX.TCB.Status = "?"
	for i := range first.Checks {
		first.Checks[i].Status = evidence.Fail
	}
	first.Checks = slices.Grow(first.Checks, 10)
	if got := s.genuine(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	quote := s.machine.Quote(reportData)
	out := s.verify(quote)
	clear(quote)
	if !reflect.DeepEqual(out, want) {
		t.Error("the outcome refers to the evidence's bytes")
	}
}

// TestConcurrentUse judges on several goroutines with one verifier.
func TestConcurrentUse(t *testing.T) {
	s := newScene(t)
	e := &tee.Endorsements{}
	s.collateral.AddTo(e)
	quote := s.machine.Quote(reportData)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if out := s.verifier.Verify(&evidence.TDX{Quote: quote}, e, tee.Params{Now: clock}); !out.Genuine() {
					t.Errorf("not genuine: %v", out.Checks.Failed())
				}
			}
		})
	}
	wg.Wait()
}

// TestEveryCheckReports: a genuine quote has every check of the technology once,
// all passed but those of the event log that it does not have; and a quote without a trusted chain has the same ones.
func TestEveryCheckReports(t *testing.T) {
	s := newScene(t)
	codes := func(out tee.Outcome) (all []string) {
		for _, check := range out.Checks {
			all = append(all, check.Code.String())
		}
		slices.Sort(all)
		return all
	}
	out := s.genuine()
	genuine := codes(out)
	if len(slices.Compact(slices.Clone(genuine))) != len(genuine) {
		t.Errorf("a check is there twice: %v", genuine)
	}
	for _, check := range out.Checks {
		ofLog := check.Code == evidence.CodeTDXEventLog || check.Code == evidence.CodeTDXEventLogReplay
		if check.Status != evidence.Pass && !(ofLog && check.Status == evidence.NotApplicable) {
			t.Errorf("%v", check)
		}
	}
	s.verifier = newVerifier(t)
	if got := codes(s.genuine()); !slices.Equal(got, genuine) {
		t.Errorf("untrusted chain: %v\ngenuine: %v", got, genuine)
	}
	s = newScene(t)
	s.collateral = simulated.Collateral{}
	if got := codes(s.genuine()); !slices.Equal(got, genuine) {
		t.Errorf("no collateral: %v\ngenuine: %v", got, genuine)
	}
	out = s.parts(func(p *simulated.Parts) { p.Chain = nil })
	if got := codes(out); !slices.Equal(got, genuine) {
		t.Errorf("no chain: %v\ngenuine: %v", got, genuine)
	}
}

// TestAttack_D06_ChainsOfOneQuote: one quote in any number of spellings does not
// crowd out what is remembered of others.
func TestAttack_D06_ChainsOfOneQuote(t *testing.T) {
	s := newScene(t)
	requireGenuine(t, s.genuine())
	chains, keys := s.verifier.chains.Len(), s.verifier.keys.Len()
	if chains != 1 || keys != 1 {
		t.Fatalf("%d chains and %d keys are remembered", chains, keys)
	}
	for n := range 20 {
		requireGenuine(t, s.parts(func(p *simulated.Parts) {
			p.Chain = bytes.Replace(p.Chain, []byte("\n"), bytes.Repeat([]byte("\n"), n+2), 1)
		}))
	}
	if s.verifier.chains.Len() != chains || s.verifier.keys.Len() != keys {
		t.Errorf("%d chains and %d keys are remembered", s.verifier.chains.Len(), s.verifier.keys.Len())
	}
}
