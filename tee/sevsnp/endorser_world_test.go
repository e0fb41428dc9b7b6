package sevsnp_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/sevsnp"
)

// world is a verifier with the service of the vendors that it trusts.
type world struct {
	*sevsnp.Verifier
	service simulator.KDS
	held    *tee.Endorsements
	asked   []string // paths
}

func newWorld(tb testing.TB, vendors ...*simulator.Vendor) *world {
	w := &world{service: vendors}
	var anchors []tee.Anchor
	for _, vendor := range vendors {
		anchors = append(anchors, vendor.Anchor())
	}
	w.Verifier = newVerifier(tb, anchors...)
	return w
}

// take keeps what of found is authentic, and returns the names that it answers to.
func (w *world) take(found *tee.Endorsements) (provided []tee.EndorsementName) {
	admitted := w.Admit(found, w.held, now)
	w.held = again(admitted).Over(w.held)
	for _, one := range admitted {
		provided = append(provided, one.Provides...)
	}
	return provided
}

// fetch asks the service for an endorsement, if it has it, and reports whether an
// authentic one came.
func (w *world) fetch(t *testing.T, name tee.EndorsementName) bool {
	t.Helper()
	path, ok := w.Locate(name)
	if !ok {
		return false
	}
	w.asked = append(w.asked, path)
	resource, query, _ := strings.Cut(path, "?")
	status, _, body := w.service.Answer("GET", resource, query)
	if status != 200 {
		t.Logf("%s is answered with %d", path, status)
		return false
	}
	found := &tee.Endorsements{}
	if err := endorsements.Parse(path, body, found); err != nil {
		t.Fatal(err)
	}
	provided := w.take(found)
	if len(provided) > 0 && !slices.Contains(provided, name) {
		t.Errorf("asked for %s, got %v", name, provided)
	}
	return len(provided) > 0
}

// verify verifies, and fetches what is missing or lacking until nothing is or
// nothing more comes.
func (w *world) verify(t *testing.T, item evidence.Item) tee.Outcome {
	t.Helper()
	for {
		out := w.Verify(item, w.held, tee.Params{Now: now})
		before := w.held.Len()
		for _, name := range append(slices.Clone(out.Missing), out.Lacking...) {
			w.fetch(t, name)
		}
		if w.held.Len() == before {
			return out
		}
	}
}

// TestColdVerifier begins with nothing, and has in the end all that a report
// draws on, fetched by the names that verifying it gave.
func TestColdVerifier(t *testing.T) {
	for name, c := range map[string]struct {
		vendor  *simulator.Vendor
		options simulator.MachineOptions
		asks    int // the most requests that it takes
	}{
		"Milan":       {milan(), simulator.MachineOptions{}, 3},
		"Genoa":       {genoa(), simulator.MachineOptions{}, 3},
		"Siena":       {genoa(), simulator.MachineOptions{Processor: simulator.Siena}, 3},
		"Turin":       {turin(), simulator.MachineOptions{}, 3},
		"Turin Dense": {turin(), simulator.MachineOptions{Processor: simulator.TurinDense}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Name, c.options.WithoutCertificates = "cold "+name, true
			m, err := c.vendor.NewMachine(c.options)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, milan(), genoa(), turin())
			wantUndecided(t, w.Verify(item(t, m), nil, tee.Params{Now: now}), "ask")
			out := w.verify(t, item(t, m))
			wantGenuine(t, out)
			if !out.Claims.SEVSNP.RevocationChecked || len(out.Lacking) != 0 {
				t.Errorf("revocation is not known: %v", out.Lacking)
			}
			if len(w.asked) != c.asks {
				t.Errorf("asked for %q", w.asked)
			}
		})
	}
}

// TestColdVerifierOfOldReport has a report that does not name its product line:
// it takes asking under each.
func TestColdVerifierOfOldReport(t *testing.T) {
	m := newMachine(t, genoa(), "cold old", func(r *simulator.Report) { r.Version = 2 })
	w := newWorld(t, milan(), genoa())
	out := w.verify(t, item(t, m))
	wantGenuine(t, out)
	if out.Claims.SEVSNP.Product != "Genoa" {
		t.Errorf("the product is %q", out.Claims.SEVSNP.Product)
	}
}

// TestColdVerifierOfVLEK has a key that only its provider's guests can send along.
func TestColdVerifierOfVLEK(t *testing.T) {
	m, err := milan().NewMachine(simulator.MachineOptions{Name: "cold VLEK", CSPID: "CN=simulated.example", WithoutCertificates: true})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, milan())
	wantUndecided(t, w.verify(t, item(t, m)), "vlek") // the ASVK is there by now
	provided := w.take(collect(m.Certificate))
	if claims, err := w.UnverifiedClaims(item(t, m)); err != nil || !slices.Contains(w.Needs(claims), provided[0]) {
		t.Errorf("what was sent along answers to %v", provided)
	}
	out := w.verify(t, item(t, m))
	wantGenuine(t, out)
	if !out.Claims.SEVSNP.RevocationChecked {
		t.Error("revocation is not known")
	}
}

// TestColdVerifierAfterRotation meets a vendor that has replaced its ASK, and
// revoked the old one.
func TestColdVerifierAfterRotation(t *testing.T) {
	old := newMachine(t, milan(), "rotation old")
	next, err := milan().RotateASK(start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, milan())
	wantGenuine(t, w.verify(t, item(t, old))) // before

	w.service = simulator.KDS{next}
	fresh := newMachine(t, next, "rotation new")
	missing := w.Verify(item(t, fresh), w.held, tee.Params{Now: now}).Missing
	if len(missing) != 1 || missing[0].Type != "vcek" {
		t.Fatalf("missing %v", missing)
	}
	if w.fetch(t, missing[0]) {
		t.Error("a key's certificate is authentic without its issuer's")
	}
	if !w.fetch(t, tee.EndorsementName{Type: "ask", ID: "Milan"}) { // what it rests on may have a newer issue
		t.Error("the new ASK is not authentic")
	}
	wantGenuine(t, w.verify(t, item(t, fresh)))
	wantGenuine(t, w.verify(t, item(t, old)))

	if _, err := next.Revoke(start.Add(2*time.Hour), milan().ASK().Certificate); err != nil {
		t.Fatal(err)
	}
	w.fetch(t, tee.EndorsementName{Type: "crl", ID: "vcek/Milan"})
	wantRefused(t, w.verify(t, item(t, old)), evidence.CodeSNPRevocation)
	wantGenuine(t, w.verify(t, item(t, fresh)))
}

// TestWarmedFromClaims fetches what kept claims need, before the report comes again.
func TestWarmedFromClaims(t *testing.T) {
	for _, vendor := range []*simulator.Vendor{milan(), turin()} {
		m := newMachine(t, vendor, "warmed")
		first := newWorld(t, vendor)
		claims := roundTrip(t, first.verify(t, item(t, m)).Claims)
		second := newWorld(t, vendor)
		for _, name := range append(second.Needs(evidence.Claims{}), second.Needs(claims)...) {
			second.fetchOwn(t, vendor, name)
		}
		second.asked = nil
		wantGenuine(t, second.verify(t, item(t, m)))
		if len(second.asked) != 0 {
			t.Errorf("asked for %q all the same", second.asked)
		}
	}
}

// fetchOwn fetches a name of the vendor's line; the standing ones are of all lines.
func (w *world) fetchOwn(t *testing.T, vendor *simulator.Vendor, name tee.EndorsementName) {
	t.Helper()
	line := strings.TrimPrefix(vendor.ASK().Certificate.Subject.CommonName, "SEV-")
	if strings.Contains(name.ID, line) {
		w.fetch(t, name)
	}
}
