package vendors_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/vendors"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
	"github.com/quotary/quotary/tee/tdx"
)

func newVerifier(t *testing.T, anchors ...tee.Anchor) *tdx.Verifier {
	t.Helper()
	v, err := tdx.New(anchors...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Intel's own services are two, with what the other has not; a caching service
// takes the place of both.
func TestIntel(t *testing.T) {
	for _, c := range []struct {
		given vendors.Intel
		bases []string
	}{
		{vendors.Intel{}, []string{vendors.IntelPCS, vendors.IntelRoot}},
		{vendors.Intel{PCS: "https://mirror.example/pcs", Update: tdx.Early}, []string{"https://mirror.example/pcs", vendors.IntelRoot}},
		{vendors.Intel{Root: "https://mirror.example/root"}, []string{vendors.IntelPCS, "https://mirror.example/root"}},
		{vendors.Intel{PCCS: "https://pccs.example:8081", Update: tdx.Early}, []string{"https://pccs.example:8081"}},
	} {
		var bases []string
		located := map[tee.EndorsementName]string{}
		all := c.given.Vendors(newVerifier(t))
		for _, v := range all {
			bases = append(bases, v.BaseURL)
			for _, name := range v.Endorser.Needs(evidence.Claims{}) {
				if path, ok := v.Endorser.Locate(name); ok && located[name] == "" {
					located[name] = path
				} else if ok {
					t.Errorf("%+v: %s is at two places", c.given, name)
				}
			}
			if len(v.ChainHeaders) != 3 || v.Name == "" {
				t.Errorf("%+v", v)
			}
		}
		if !slices.Equal(bases, c.bases) || len(located) != 4 {
			t.Errorf("%+v: %v have %v", c.given, bases, located)
		}
		if path := located[tee.EndorsementName{Type: "qe-identity", ID: "TD_QE"}]; !strings.HasSuffix(path, "?update="+c.given.Update.String()) {
			t.Errorf("%+v: the identity is at %s", c.given, path)
		}
	}
}

// TestAttack_T16_BackFromEarly: what the early channel had is a floor, and stays one
// where the store is asked to go by the standard channel again. It is kept as long
// as it lasts, and the standard one's is taken once that has caught up.
func TestAttack_T16_BackFromEarly(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	vendor := simulated.NewVendor(simulated.Options{Seed: "back from early", Clock: clock})
	services := simulated.NewServices(vendor)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := services.PCCS(r.Method, r.URL.Path, r.URL.RawQuery)
		for name, value := range answer.Header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(answer.Status)
		_, _ = w.Write(answer.Body)
	}))
	defer server.Close()
	info := vendor.TCBInfo()
	info.TCBEvaluationDataNumber = 21
	services.PublishTCBInfo(simulated.Early, info)

	dir, verifier := t.TempDir(), newVerifier(t, vendor.Anchor())
	name := tee.EndorsementName{Type: "tcb-info", ID: "53494d544458"}
	fetch := func(update tdx.Update) (number uint64, err error) {
		t.Helper()
		s, err := store.Open(store.Config{Dir: dir, Now: clock, Vendors: vendors.Intel{PCCS: server.URL, Update: update}.Vendors(verifier)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.Fetch(t.Context(), []tee.EndorsementName{name})
		for _, e := range verifier.PCCS(update).Admit(s.Endorsements(), nil, now) {
			if slices.Contains(e.Provides, name) {
				number = max(number, e.Sequence)
			}
		}
		return number, err
	}
	if number, err := fetch(tdx.Early); err != nil || number != 21 {
		t.Fatalf("early: number %d, %v", number, err)
	}
	if number, err := fetch(tdx.Standard); err != nil || number != 21 {
		t.Errorf("standard, a moment later: number %d, %v", number, err)
	}
	now = now.AddDate(0, 0, 31)
	if _, err := fetch(tdx.Standard); evidence.CodeOf(err) != evidence.CodeEndorsementRolledBack {
		t.Errorf("standard, a month later: %v", err)
	}
	now = now.AddDate(0, 1, 0)
	services.PublishTCBInfo(simulated.Standard, info)
	if number, err := fetch(tdx.Standard); err != nil || number != 21 {
		t.Errorf("standard, once it has caught up: number %d, %v", number, err)
	}
}
