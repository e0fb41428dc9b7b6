package daemon_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// kds serves a simulated key distribution service; down has it answer 503.
type kds struct {
	url      string
	down     atomic.Bool
	requests atomic.Int64
}

func serveKDS(t *testing.T, vendors ...*sevsnp.Vendor) *kds {
	t.Helper()
	k := &kds{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.requests.Add(1)
		if k.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		status, contentType, body := sevsnp.KDS(vendors).Answer(r.Method, r.URL.Path, r.URL.RawQuery)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	k.url = server.URL
	return k
}

// A service that was given nothing but roots and a policy fetches what it needs:
// the chain, the key's certificate, the revocation list. It keeps it, and does
// without the vendor from then on.
func TestServiceFetchesEndorsements(t *testing.T) {
	s := simulate(t)
	vendor := serveKDS(t, s.amd)
	bare := attach{s.machines[evidence.KindSEVSNP], func([][]byte) [][]byte { return nil }}
	config := daemon.Config{
		Policies:  []string{s.policy(t, "allow_simulated: true")},
		Simulated: daemon.Simulated{Accept: true, Roots: s.roots},
		Vendors:   daemon.Vendors{AMDKDS: vendor.url},
	}
	data := filepath.Join(t.TempDir(), "data")
	first := start(t, data, config)
	if _, err := first.attest(t, bare); err != nil {
		t.Fatal(err)
	}
	if _, metrics := first.get(t, "/metrics", ""); !strings.Contains(metrics, `quotary_endorsements_vendor_available{vendor="amd-kds"} 1`) {
		t.Error("the metrics do not show the vendor")
	}
	first.stop()

	vendor.down.Store(true)
	second := start(t, data, config)
	if _, err := second.attest(t, bare); err != nil {
		t.Errorf("after a restart without the vendor: %v", err)
	}
	second.stop()

	if err := os.RemoveAll(filepath.Join(data, "collateral")); err != nil {
		t.Fatal(err)
	}
	third := start(t, data, config)
	if _, err := third.attest(t, bare); evidence.CodeOf(err) != evidence.CodeEndorsementsMissing {
		t.Errorf("with an empty store and a dead vendor: %v", err)
	}
	if len(s.machines) == 0 || vendor.requests.Load() == 0 {
		t.Error("nobody was asked")
	}
}

// With the store lost, what recent issuances rest on is fetched before the
// machines come again.
func TestServicePrewarms(t *testing.T) {
	s := simulate(t)
	vendor := serveKDS(t, s.amd)
	bare := attach{s.machines[evidence.KindSEVSNP], func([][]byte) [][]byte { return nil }}
	config := daemon.Config{
		Policies:  []string{s.policy(t, "allow_simulated: true")},
		Simulated: daemon.Simulated{Accept: true, Roots: s.roots},
		Vendors:   daemon.Vendors{AMDKDS: vendor.url},
	}
	data := filepath.Join(t.TempDir(), "data")
	first := start(t, data, config)
	if _, err := first.attest(t, bare); err != nil {
		t.Fatal(err)
	}
	held := first.Endorsements()
	first.stop()
	if err := os.RemoveAll(filepath.Join(data, "collateral")); err != nil {
		t.Fatal(err)
	}
	second := start(t, data, config)
	for second.Endorsements() < held {
		if t.Context().Err() != nil {
			t.Fatal("nothing was fetched")
		}
	}
}
