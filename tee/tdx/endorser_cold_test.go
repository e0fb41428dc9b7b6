package tdx

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// cold is a verifier that holds nothing yet, with the services of the vendor that it trusts.
type cold struct {
	*Verifier
	vendor   *simulated.Vendor
	services *simulated.Services
	places   []place
	held     *tee.Endorsements
	now      time.Time
	asked    []string
}

// place is a service with what is known of it.
type place struct {
	tee.Endorser
	ask func(method, path, query string) simulated.Answer
}

// newCold has Intel's two services, or a caching one in front of them.
func newCold(tb testing.TB, cached bool) *cold {
	tb.Helper()
	w := &cold{now: clock}
	w.vendor = simulated.NewVendor(simulated.Options{Seed: "test", Clock: func() time.Time { return w.now }})
	w.services = simulated.NewServices(w.vendor)
	w.Verifier = newVerifier(tb, w.vendor.Anchor())
	w.places = []place{{w.PCS(Standard), w.services.PCS}, {w.RootService(), w.services.Roots}}
	if cached {
		w.places = []place{{w.PCCS(Standard), w.services.PCCS}}
	}
	return w
}

// fetch asks for an endorsement, recognises body and header as one heap, and keeps
// what is authentic. It reports whether that answers to the name.
func (w *cold) fetch(t *testing.T, name tee.EndorsementName) bool {
	t.Helper()
	for _, place := range w.places {
		located, ok := place.Locate(name)
		if !ok {
			continue
		}
		w.asked = append(w.asked, located)
		path, query, _ := strings.Cut(located, "?")
		answer := place.ask("GET", path, query)
		if answer.Status != 200 {
			return false
		}
		found := &tee.Endorsements{}
		if err := endorsements.Parse(located, answer.Body, found); err != nil {
			t.Fatal(err)
		}
		for _, field := range ChainHeaders() {
			if chain := answer.Header[field]; chain != "" {
				if err := endorsements.ParseText(field, chain, found); err != nil {
					t.Fatal(err)
				}
			}
		}
		admitted := place.Admit(found, w.held, w.now)
		wantSound(t, w.Verifier, found, w.held, admitted, w.now)
		w.held = again(admitted).Over(w.held)
		return slices.ContainsFunc(admitted, func(e tee.Endorsed) bool { return slices.Contains(e.Provides, name) })
	}
	return false
}

// judge verifies, and fetches what is missing until nothing is or nothing comes.
func (w *cold) judge(t *testing.T, quote []byte) tee.Outcome {
	t.Helper()
	for {
		out := w.Verify(&evidence.TDX{Quote: quote}, w.held, tee.Params{Now: w.now})
		before := w.held.Len()
		for _, name := range out.Missing {
			w.fetch(t, name)
		}
		if w.held.Len() == before {
			return out
		}
	}
}

// TestColdVerifier begins with nothing, and has in the end all that a quote draws
// on, fetched by the names that verifying it gave, each once.
func TestColdVerifier(t *testing.T) {
	for name, alter := range map[string]func(*simulated.MachineOptions){
		"version 4":             func(*simulated.MachineOptions) {},
		"version 5, report 1.0": func(o *simulated.MachineOptions) { o.Version = 5 },
		"version 5, report 1.5": func(o *simulated.MachineOptions) { o.Version, o.TD15 = 5, true },
		"Processor CA":          func(o *simulated.MachineOptions) { o.Processor = true },
	} {
		for _, cached := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				w := newCold(t, cached)
				quote := newScene(t, alter).machine.Quote(reportData)
				if out := w.Verify(&evidence.TDX{Quote: quote}, nil, tee.Params{Now: w.now}); !out.Undecided() {
					t.Fatalf("failed %v", out.Checks.Failed())
				}
				out := w.judge(t, quote)
				requireGenuine(t, out)
				if out.Claims.TDX.TCB.Status != "UpToDate" || !out.Claims.Simulated || len(w.asked) != 4 {
					t.Errorf("TCB %+v, asked for %q", out.Claims.TDX.TCB, w.asked)
				}
			})
		}
	}
}

// TestColdVerifierOfUnknownPlatform: the service knows no such FMSPC.
func TestColdVerifierOfUnknownPlatform(t *testing.T) {
	w := newCold(t, false)
	quote := newScene(t, func(o *simulated.MachineOptions) { o.FMSPC = [6]byte{0, 0x80, 0x6f, 5} }).machine.Quote(reportData)
	out := w.judge(t, quote)
	if !out.Undecided() || !slices.Equal(names(out.Missing), []string{"tcb-info 00806f050000"}) {
		t.Errorf("failed %v, missing %v", out.Checks.Failed(), out.Missing)
	}
	info := w.vendor.TCBInfo()
	info.FMSPC = "00806F050000" // Intel's service has sent both cases
	w.services.PublishTCBInfo(simulated.Standard, info)
	requireGenuine(t, w.judge(t, quote))
}

// TestAttack_T15_ExpiredWhileNewerExists: a quote comes with collateral that has
// expired since. It is refused by that, with the code that says so; asked again
// with what the service has by now, it is genuine.
func TestAttack_T15_ExpiredWhileNewerExists(t *testing.T) {
	w := newCold(t, false)
	quote := newScene(t).machine.Quote(reportData)
	requireGenuine(t, w.judge(t, quote))
	w.now = w.now.AddDate(1, 0, 0)
	out := w.Verify(&evidence.TDX{Quote: quote}, w.held, tee.Params{Now: w.now})
	refusedWith(t, out, evidence.CodeTDXCollateralExpired)
	if want := []string{ofRootCRL, ofPCKCRL, ofTCBInfo, ofIdentity}; !slices.Equal(names(out.Missing), want) {
		t.Errorf("missing %v", out.Missing)
	}
	requireGenuine(t, w.judge(t, quote))
}

// TestColdVerifierAfterRotation meets a vendor that signs by another certificate
// from now on, and revokes the former one: what that signed counts until it is
// revoked, and is fetched anew then.
func TestColdVerifierAfterRotation(t *testing.T) {
	w := newCold(t, false)
	quote := newScene(t).machine.Quote(reportData)
	requireGenuine(t, w.judge(t, quote))

	info := w.vendor.TCBInfo()
	info.FMSPC = "00806F050000"
	w.services.PublishTCBInfo(simulated.Standard, info)
	w.services.RotateSigning()
	w.asked = nil
	another := newScene(t, func(o *simulated.MachineOptions) { o.Name, o.FMSPC = "another", [6]byte{0, 0x80, 0x6f, 5} }).machine.Quote(reportData)
	requireGenuine(t, w.judge(t, another)) // its TCB info by the new one, the identity by the former one
	requireGenuine(t, w.judge(t, quote))
	if len(w.asked) != 1 {
		t.Errorf("asked for %q", w.asked)
	}

	w.services.Revoke(w.vendor.Signing.Certificate)
	if !w.fetch(t, rootCRLName()) {
		t.Fatal("the new list is not authentic")
	}
	out := w.Verify(&evidence.TDX{Quote: quote}, w.held, tee.Params{Now: w.now})
	refusedWith(t, out, evidence.CodeTDXSigningRevocation)
	if want := []string{ofTCBInfo, ofIdentity}; !slices.Equal(names(out.Missing), want) {
		t.Errorf("missing %v", out.Missing)
	}
	requireGenuine(t, w.judge(t, quote))
}

// TestColdVerifierOfRevokedMachine: nobody is asked for what cannot help it.
func TestColdVerifierOfRevokedMachine(t *testing.T) {
	w := newCold(t, true)
	m := newScene(t).machine
	requireGenuine(t, w.judge(t, m.Quote(reportData)))
	w.services.Revoke(m.Certificate())
	if !w.fetch(t, pckCRLName(idPlatform)) {
		t.Fatal("the new list is not authentic")
	}
	w.asked = nil
	refusedWith(t, w.judge(t, m.Quote(reportData)), evidence.CodeTDXPCKRevocation)
	if len(w.asked) > 0 {
		t.Errorf("asked for %q", w.asked)
	}
}

// TestRecoveryEvent: what the service publishes after one counts as soon as it is
// held, beside what was there before; the early channel has it first.
func TestRecoveryEvent(t *testing.T) {
	w := newCold(t, false)
	quote := newScene(t).machine.Quote(reportData)
	requireGenuine(t, w.judge(t, quote))
	info := w.vendor.TCBInfo()
	info.TCBEvaluationDataNumber = 21
	info.TCBLevels[0].TCBStatus = "OutOfDate"
	w.services.PublishTCBInfo(simulated.Early, info)
	status := func() string {
		out := w.judge(t, quote)
		requireGenuine(t, out)
		return out.Claims.TDX.TCB.Status
	}
	name := tcbInfoName([]byte("SIMTDX"))
	if !w.fetch(t, name) || status() != "UpToDate" {
		t.Error("the standard channel has the new TCB info already")
	}
	w.places[0].Endorser = w.PCS(Early)
	if !w.fetch(t, name) || status() != "OutOfDate" {
		t.Error("the early channel does not have the new TCB info")
	}
	w.places[0].Endorser = w.PCS(Standard)
	if !w.fetch(t, name) || status() != "OutOfDate" {
		t.Error("a lower number displaced a higher one")
	}
}

// TestWarmedFromClaims fetches what kept claims need, before the quote comes again.
func TestWarmedFromClaims(t *testing.T) {
	for _, cached := range []bool{false, true} {
		quote := newScene(t).machine.Quote(reportData)
		claims := kept(t, newCold(t, cached).judge(t, quote).Claims)
		w := newCold(t, cached)
		needs := w.places[0].Needs(claims)
		if standing := w.places[0].Needs(evidence.Claims{}); len(needs) != 1+len(standing) {
			t.Errorf("needs %v, standing are %v", needs, standing)
		}
		for _, name := range needs {
			if !w.fetch(t, name) {
				t.Errorf("nobody has %s", name)
			}
		}
		w.asked = nil
		requireGenuine(t, w.judge(t, quote))
		if len(w.asked) > 0 {
			t.Errorf("asked for %q all the same", w.asked)
		}
	}
}
