package vendors_test

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/vendors"
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

var shared = sync.OnceValues(func() (*simulators.World, error) { return simulators.NewMoving("vendors", time.Now) })

// world is made once: its keys take a second.
func world(t *testing.T) *simulators.World { return must[*simulators.World](t)(shared()) }

// serve serves the vendors of that world on loopback.
func serve(t *testing.T) (*vendors.Server, vendors.URLs) {
	t.Helper()
	server := vendors.New(world(t))
	http := httptest.NewServer(server)
	http.Config.ErrorLog = log.New(io.Discard, "", 0) // connections are broken on purpose
	t.Cleanup(http.Close)
	return server, vendors.At(http.URL)
}

// get asks for an address and returns the answer with its body.
func get(t *testing.T, address string) (*http.Response, []byte) {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

// Paths, statuses, headers and bodies are those of the vendors' documents, below each
// service's base URL; AMD's and Intel's own also below the root.
func TestServices(t *testing.T) {
	_, urls := serve(t)
	guest := must[*sevsnp.Machine](t)(world(t).SEVSNP.NewMachine(sevsnp.MachineOptions{Name: "served"}))
	levels := "blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"
	root := strings.TrimSuffix(urls[vendors.AMDKDS], "/"+vendors.AMDKDS)
	for _, c := range []struct {
		base, path  string
		status      int
		contentType string
		header      string // that must be there
		begins      string
	}{
		{urls[vendors.AMDKDS], "/vcek/v1/Milan/cert_chain", 200, "application/x-pem-file", "", "-----BEGIN CERTIFICATE-----"},
		{urls[vendors.AMDKDS], "/vcek/v1/Milan/crl", 200, "application/pkix-crl", "", "\x30"},
		{urls[vendors.AMDKDS], fmt.Sprintf("/vcek/v1/Milan/%x?%s", guest.Template.ChipID, levels), 200, "application/pkix-cert", "", "\x30"},
		{urls[vendors.AMDKDS], fmt.Sprintf("/vcek/v1/Milan/%x?%s&blSPL=4", guest.Template.ChipID, levels), 400, "text/plain; charset=utf-8", "", "400 - "},
		{urls[vendors.AMDKDS], "/vcek/v1/Rome/cert_chain", 404, "text/plain; charset=utf-8", "", "404 - "},
		{urls[vendors.AMDKDS], "/vcek/v1/Milan/crl/", 404, "text/plain; charset=utf-8", "", "404 - "},
		{urls[vendors.AMDKDS], "//vcek/v1/Milan/crl", 404, "text/plain; charset=utf-8", "", "404 - "},
		{urls[vendors.AMDKDS], "/vlek/v1/Milan/cert?" + levels, 401, "text/plain; charset=utf-8", "", "401 - "},
		{urls[vendors.IntelPCS], "/tdx/certification/v4/tcb?fmspc=53494d544458", 200, "application/json", "Tcb-Info-Issuer-Chain", `{"tcbInfo":{"id":"TDX","version":3,`},
		{urls[vendors.IntelPCS], "/tdx/certification/v4/qe/identity", 200, "application/json", "Sgx-Enclave-Identity-Issuer-Chain", `{"enclaveIdentity":{"id":"TD_QE","version":2,`},
		{urls[vendors.IntelPCS], "/sgx/certification/v4/pckcrl?ca=platform", 200, "application/x-pem-file", "Sgx-Pck-Crl-Issuer-Chain", "-----BEGIN X509 CRL-----"},
		{urls[vendors.IntelPCS], "/sgx/certification/v4/pckcrl?ca=platform&encoding=der", 200, "application/pkix-crl", "Request-Id", "\x30"},
		{urls[vendors.IntelPCS], "/tdx/certification/v4/tcb?fmspc=00806f050000", 404, "", "Request-Id", ""},
		{urls[vendors.IntelPCS], "/tdx/certification/v4/tcb", 400, "", "Request-Id", ""},
		{urls[vendors.IntelRoot], "/IntelSGXRootCA.der", 200, "application/pkix-crl", "", "\x30"},
		{urls[vendors.IntelRoot], "/IntelSGXRootCA.pem", 404, "", "", ""},
		{urls[vendors.IntelPCCS], "/sgx/certification/v4/rootcacrl", 200, "application/pkix-crl", "Request-Id", "3082"},
		{urls[vendors.IntelPCCS], "/sgx/certification/v4/pckcrl?ca=processor", 200, "application/x-pem-file", "Sgx-Pck-Crl-Issuer-Chain", "3082"},
		{urls[vendors.IntelPCCS], "/tdx/certification/v4/tcb?fmspc=00806f050000", 404, "text/plain; charset=utf-8", "Request-Id", "No cache data"},
		{root, "/vlek/v1/Milan/crl", 200, "application/pkix-crl", "", "\x30"},
		{root, "/sgx/certification/v4/pckcrl?ca=processor&encoding=der", 200, "application/pkix-crl", "Request-Id", "\x30"},
		{root, "/IntelSGXRootCA.der", 200, "application/pkix-crl", "", "\x30"},
	} {
		response, body := get(t, c.base+c.path)
		if response.StatusCode != c.status || c.contentType != "" && response.Header.Get("Content-Type") != c.contentType ||
			c.header != "" && response.Header.Get(c.header) == "" && response.Header[c.header] == nil || !strings.HasPrefix(string(body), c.begins) {
			t.Errorf("%s: %s, %v: %.40q", c.path, response.Status, response.Header, body)
		}
	}
}

// list reads a revocation list in whichever form it is.
func list(t *testing.T, body []byte) *x509.RevocationList {
	t.Helper()
	if block, _ := pem.Decode(body); block != nil {
		body = block.Bytes
	} else if der, err := hex.DecodeString(string(body)); err == nil {
		body = der
	}
	return must[*x509.RevocationList](t)(x509.ParseRevocationList(body))
}

// What is revoked is on the list in every form that the services have it in, and in
// what they publish as files; it is not once the fault is cleared.
func TestRevoked(t *testing.T) {
	server, urls := serve(t)
	serial := world(t).TDX.Serial("pck victim")
	platform := world(t).TDX.Platform
	if err := server.Inject("pck-revoked", "victim", "another"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		published := must[*tee.Endorsements](t)(server.Endorsements())
		lists := published.CRLs(platform.Certificate.RawSubject)
		for _, address := range []string{
			urls[vendors.IntelPCS] + "/sgx/certification/v4/pckcrl?ca=platform",
			urls[vendors.IntelPCS] + "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
			urls[vendors.IntelPCCS] + "/sgx/certification/v4/pckcrl?ca=platform",
		} {
			_, body := get(t, address)
			lists = append(lists, list(t, body))
		}
		if len(lists) != 4 {
			t.Fatalf("%d lists", len(lists))
		}
		for i, l := range lists {
			named := slices.ContainsFunc(l.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(serial) == 0 })
			if named != want || l.CheckSignatureFrom(platform.Certificate) != nil {
				t.Errorf("list %d names the key: %v, want %v", i, named, want)
			}
		}
		server.Clear("pck-revoked")
	}
}

// Every fault has a name of its own, a title, a code and a service, and can be injected
// and cleared; nothing else can.
func TestFaults(t *testing.T) {
	server := vendors.New(world(t))
	var names []string
	for _, f := range vendors.Faults() {
		names = append(names, f.Name)
		if f.Title == "" || f.Code == (evidence.Code{}) || !slices.Contains(vendors.Services(), f.Service) {
			t.Errorf("%+v", f)
		}
		var machines []string
		if f.Machines {
			machines = []string{"machine"}
		}
		if err := server.Inject(f.Name, machines...); err != nil {
			t.Error(err)
		}
		if err := server.Inject(f.Name, append(machines, "machine")[:1-len(machines)]...); err == nil {
			t.Errorf("%s takes names of machines, or none, as it likes", f.Name)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("%q", names)
	}
	if !slices.Equal(server.Injected(), names) {
		t.Errorf("in force: %q", server.Injected())
	}
	server.Clear("pck-revoked", "unknown")
	if len(server.Injected()) != len(names)-1 {
		t.Error("one was cleared")
	}
	server.Clear()
	if err := server.Inject("amd-kds/tired"); err == nil || len(server.Injected()) != 0 {
		t.Errorf("%v, %q", err, server.Injected())
	}
}

// A fault is one of a single service, and is counted.
func TestFaultOfOneService(t *testing.T) {
	server, urls := serve(t)
	if err := server.Inject(vendors.IntelPCS + "/throttled"); err != nil {
		t.Fatal(err)
	}
	response, body := get(t, urls[vendors.IntelPCS]+"/tdx/certification/v4/qe/identity")
	if response.StatusCode != 429 || response.Header.Get("Retry-After") != "10" || !strings.HasPrefix(string(body), "429 - ") {
		t.Errorf("%s %q", response.Status, body)
	}
	for _, address := range []string{urls[vendors.IntelPCCS] + "/tdx/certification/v4/qe/identity", urls[vendors.IntelRoot] + "/IntelSGXRootCA.der"} {
		if response, _ := get(t, address); response.StatusCode != 200 {
			t.Errorf("%s: %s", address, response.Status)
		}
	}
	counts := server.Counts()
	if counts[vendors.IntelPCS] != (vendors.Count{Requests: 1, Faulty: 1}) || counts[vendors.IntelRoot] != (vendors.Count{Requests: 1}) {
		t.Errorf("%v", counts)
	}
}

// What breaks off, breaks off: clients see an error, not a shorter answer.
func TestBrokenConnections(t *testing.T) {
	server, urls := serve(t)
	for _, kind := range []string{"dead", "truncated"} {
		if err := server.Inject(vendors.AMDKDS + "/" + kind); err != nil {
			t.Fatal(err)
		}
		response, err := http.Get(urls[vendors.AMDKDS] + "/vcek/v1/Milan/cert_chain")
		if err == nil {
			_, err = io.ReadAll(response.Body)
			response.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: no error", kind)
		}
		server.Clear()
	}
}

// Faults come and go while the services are asked.
func TestServerConcurrent(t *testing.T) {
	server, urls := serve(t)
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for range 8 {
				for _, address := range []string{urls[vendors.IntelRoot] + "/IntelSGXRootCA.der", urls[vendors.IntelPCS] + "/tdx/certification/v4/qe/identity"} {
					response, err := http.Get(address)
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := io.Copy(io.Discard, response.Body); err != nil {
						t.Error(err)
					}
					response.Body.Close()
				}
			}
		})
	}
	for range 16 {
		for _, name := range []string{"root-crl-forged", vendors.IntelPCS + "/slow", "qe-identity-expired"} {
			if err := server.Inject(name); err != nil {
				t.Error(err)
			}
		}
		server.Clear()
	}
	asking.Wait()
	if counts := server.Counts(); counts[vendors.IntelRoot].Requests != 32 || counts[vendors.IntelPCS].Requests != 32 {
		t.Errorf("%v", counts)
	}
}
