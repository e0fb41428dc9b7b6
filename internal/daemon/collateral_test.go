package daemon_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
)

// kds serves a simulated key distribution service; down has it answer 503.
type kds struct {
	url      string
	down     atomic.Bool
	requests atomic.Int64
	keys     chan struct{} // one for each request for a machine's key
}

func serveKDS(t *testing.T, vendors ...*sevsnp.Vendor) *kds {
	t.Helper()
	k := &kds{keys: make(chan struct{}, 64)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.requests.Add(1)
		if strings.Contains(r.URL.RawQuery, "snpSPL=") {
			k.keys <- struct{}{}
		}
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

// onlyRoots is the configuration of a service that was given nothing but roots and a
// policy, and a machine that sends no certificates.
func onlyRoots(t *testing.T) (config daemon.Config, bare attach, vendor *kds) {
	t.Helper()
	s := simulate(t)
	vendor = serveKDS(t, s.amd)
	bare = attach{s.machines[evidence.KindSEVSNP], func([][]byte) [][]byte { return nil }}
	return daemon.Config{
		Policies:  []string{s.policy(t, "allow_simulated: true")},
		Simulated: daemon.Simulated{Accept: true, Roots: s.roots},
		Vendors:   daemon.Vendors{AMDKDS: vendor.url},
	}, bare, vendor
}

// A service that was given nothing but roots and a policy fetches what it needs:
// the chain, the key's certificate, the revocation list. It keeps it, and does
// without the vendor from then on.
func TestServiceFetchesEndorsements(t *testing.T) {
	config, bare, vendor := onlyRoots(t)
	data := filepath.Join(t.TempDir(), "data")
	first := start(t, data, config)
	if _, err := first.attest(t, bare); err != nil {
		t.Fatal(err)
	}
	if _, metrics := first.get(t, "/metrics", ""); !strings.Contains(metrics, `quotary_endorsements_vendor_available{vendor="amd-kds"} 1`) {
		t.Error("the metrics do not show the vendor")
	} else if strings.Contains(metrics, `quotary_endorsements_expires_seconds{id="vcek/Milan",type="crl",vendor="amd-kds"} 0`) ||
		!strings.Contains(metrics, `quotary_endorsements_expires_seconds{id="vcek/Milan",type="crl",vendor="amd-kds"} 1`) {
		t.Error("the metrics do not show when the revocation list expires")
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
	if vendor.requests.Load() == 0 {
		t.Error("nobody was asked")
	}
}

// intel serves simulated services of Intel, each under a host of its own.
type intel struct {
	pcs, root, pccs string
	services        *tdx.Services
	requests        atomic.Int64
}

func serveIntel(t *testing.T, vendor *tdx.Vendor) *intel {
	t.Helper()
	i := &intel{services: tdx.NewServices(vendor)}
	serve := func(ask func(method, path, query string) tdx.Answer) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			i.requests.Add(1)
			answer := ask(r.Method, r.URL.Path, r.URL.RawQuery)
			for name, value := range answer.Header {
				w.Header().Set(name, value)
			}
			w.WriteHeader(answer.Status)
			_, _ = w.Write(answer.Body)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	i.pcs, i.root, i.pccs = serve(i.services.PCS), serve(i.services.Roots), serve(i.services.PCCS)
	return i
}

// A quote that brings nothing along is judged by what Intel's services have, or a
// caching service in front of them; a restart does without them.
func TestServiceFetchesIntelEndorsements(t *testing.T) {
	s := simulate(t)
	machine := s.machines[evidence.KindTDX]
	for _, cached := range []bool{false, true} {
		vendor := serveIntel(t, s.intel)
		config := daemon.Config{
			Policies:  []string{s.policy(t, "allow_simulated: true")},
			Simulated: daemon.Simulated{Accept: true, Roots: s.roots},
			Vendors:   daemon.Vendors{IntelPCS: vendor.pcs, IntelRoot: vendor.root, IntelUpdate: "early"},
		}
		available := []string{"intel-pcs", "intel-root"}
		if cached {
			config.Vendors, available = daemon.Vendors{IntelPCCS: vendor.pccs}, []string{"intel-pccs"}
		}
		data := filepath.Join(t.TempDir(), "data")
		first := start(t, data, config)
		if _, err := first.attest(t, machine); err != nil {
			t.Fatal(err)
		}
		_, metrics := first.get(t, "/metrics", "")
		for _, name := range available {
			if !strings.Contains(metrics, `quotary_endorsements_vendor_available{vendor="`+name+`"} 1`) {
				t.Errorf("the metrics do not show the vendor %s", name)
			}
		}
		first.stop()

		asked := vendor.requests.Load()
		config.Vendors = daemon.Vendors{AMDKDS: "http://127.0.0.1:1"}
		second := start(t, data, config)
		if _, err := second.attest(t, machine); err != nil {
			t.Errorf("after a restart without the vendor: %v", err)
		}
		second.stop()
		if asked == 0 || vendor.requests.Load() != asked {
			t.Errorf("asked %d times, then %d", asked, vendor.requests.Load())
		}
	}
}

// What does not fit together is refused before anything is made.
func TestIntelConfiguration(t *testing.T) {
	for name, v := range map[string]daemon.Vendors{
		"channel":      {IntelUpdate: "late", AMDKDS: "http://127.0.0.1:1"},
		"both":         {IntelPCCS: "https://pccs.example:8081", IntelPCS: "https://api.trustedservices.intel.com"},
		"both, root":   {IntelPCCS: "https://pccs.example:8081", IntelRoot: "https://certificates.trustedservices.intel.com"},
		"a plain host": {IntelPCCS: "pccs.example", AMDKDS: "http://127.0.0.1:1"},
		"plain http":   {IntelPCS: "http://pccs.example"},
	} {
		d, err := open(t, filepath.Join(t.TempDir(), "data"), daemon.Config{Vendors: v})
		if code := evidence.CodeOf(err); code != evidence.CodeConfigMalformed && code != evidence.CodeEndorsementVendor {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = d.Close()
		}
	}
}

// With the store lost, what recent issuances rest on is fetched before the
// machines come again.
func TestServicePrewarms(t *testing.T) {
	config, bare, vendor := onlyRoots(t)
	data := filepath.Join(t.TempDir(), "data")
	first := start(t, data, config)
	if _, err := first.attest(t, bare); err != nil {
		t.Fatal(err)
	}
	<-vendor.keys
	first.stop()
	if err := os.RemoveAll(filepath.Join(data, "collateral")); err != nil {
		t.Fatal(err)
	}
	start(t, data, config)
	select {
	case <-vendor.keys: // although no machine came
	case <-time.After(time.Minute):
		t.Error("the key of a machine that attested lately was not fetched")
	}
}
