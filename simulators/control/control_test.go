package control_test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/control"
	"github.com/quotary/quotary/simulators/fleet"
	"github.com/quotary/quotary/simulators/lab"
	"github.com/quotary/quotary/simulators/vendors"
	"github.com/quotary/quotary/tee/endorsements"
)

// remote is an interface that is reached over HTTP.
type remote struct {
	*testing.T
	url string
}

// open starts a service, with the interface to its machines.
func open(t *testing.T) remote {
	t.Helper()
	clock := &lab.Clock{}
	l, err := lab.Open(t.Context(), lab.Options{Seed: "shared", Dir: t.TempDir(), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	f := fleet.New(l.World())
	f.Use(l.Vendors())
	server := httptest.NewServer(control.New(control.Options{Fleet: f, Vendors: l.Vendors(), Clock: clock, Host: control.InProcess(l)}))
	t.Cleanup(func() {
		server.Close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return remote{t, server.URL}
}

// do sends a request, and returns the status and what it was answered with.
func (r remote) do(method, path, body string, headers ...string) (int, []byte) {
	r.Helper()
	request, err := http.NewRequestWithContext(r.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		r.Fatal(err)
	}
	return response.StatusCode, answer
}

// must sends a request that succeeds.
func (r remote) must(method, path, body string, out any) {
	r.Helper()
	status, answer := r.do(method, path, body)
	if status >= 300 {
		r.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(answer, out); err != nil {
		r.Fatal(err)
	}
}

// refused sends a request that fails, and returns its code and those of failed checks.
func (r remote) refused(method, path, body string, headers ...string) (status int, code string, failed []string) {
	r.Helper()
	status, answer := r.do(method, path, body, headers...)
	var p struct {
		Type, Code string
		Status     int
		Failed     []string
	}
	if err := json.Unmarshal(answer, &p); err != nil || status < 400 || p.Status != status || !strings.HasSuffix(p.Type, p.Code) {
		r.Errorf("%s %s: %d %s", method, path, status, answer)
	}
	return status, p.Code, p.Failed
}

// A test in another language: machines are made, attest, and break.
func TestControl(t *testing.T) {
	r := open(t)
	var made struct {
		Name, Requirement string
		Kinds             []string
	}
	r.must("POST", "/v1/machines", `{"name": "web", "technology": "sev-snp", "product": "Genoa"}`, &made)
	if made.Name != "web" || !slices.Equal(made.Kinds, []string{"sev-snp"}) || made.Requirement == "" {
		t.Errorf("%+v", made)
	}
	r.must("POST", "/v1/machines", `{"name": "ledger", "technology": "tdx"}`, nil)
	r.must("POST", "/v1/machines", `{"name": "builder", "technology": "tpm", "tpm": {"enrolled": true}}`, nil)

	var granted struct {
		SPIFFEID    string `json:"spiffe_id"`
		Certificate string `json:"certificate_pem"`
		PrivateKey  string `json:"private_key_pem"`
		Root        string `json:"root_pem"`
		Simulated   bool
		Token       string
	}
	r.must("POST", "/v1/machines/web/identity", "", &granted)
	if _, err := tls.X509KeyPair([]byte(granted.Certificate), []byte(granted.PrivateKey)); err != nil || granted.SPIFFEID != "spiffe://sim.test/web" || !granted.Simulated || granted.Token == "" {
		t.Errorf("%v: %+v", err, granted)
	}
	if _, root := r.do("GET", "/v1/bundle", ""); string(root) != granted.Root {
		t.Error("the bundle has another root")
	}
	if _, both := r.do("POST", "/v1/machines/ledger/identity", "", "Accept", "application/x-pem-file"); true {
		if _, err := tls.X509KeyPair(both, both); err != nil {
			t.Error(err)
		}
	}
	if _, _, failed := r.refused("POST", "/v1/machines/builder/identity", ""); !slices.Contains(failed, evidence.CodeTPMAKUntrusted.String()) {
		t.Errorf("before it enrolled: %v", failed)
	}
	r.must("POST", "/v1/machines/builder/enrol", "", nil)
	r.must("POST", "/v1/machines/builder/identity", "", nil)

	r.must("POST", "/v1/machines/ledger/extend", `{"register": "rtmr3", "data": "c29tZXRoaW5n"}`, nil)
	if status, code, failed := r.refused("POST", "/v1/machines/ledger/identity", ""); status != 422 || code != evidence.CodeNotAccepted.String() || !slices.Contains(failed, "policy.tdx.rtmr3") {
		t.Errorf("%d %s %v", status, code, failed)
	}
	r.must("POST", "/v1/machines/ledger/reboot", "", nil)
	r.must("POST", "/v1/machines/ledger/identity", "", nil)

	r.must("POST", "/v1/faults", `{"fault": "snp-debug", "on": ["web"]}`, nil)
	r.must("POST", "/v1/faults", `{"fault": "amd-kds/dead"}`, nil)
	var inForce struct {
		Vendors  []string
		Machines map[string][]string
	}
	r.must("GET", "/v1/faults", "", &inForce)
	if !slices.Equal(inForce.Vendors, []string{"amd-kds/dead"}) || !slices.Equal(slices.Collect(maps.Keys(inForce.Machines)), []string{"web"}) {
		t.Errorf("%+v", inForce)
	}
	if _, _, failed := r.refused("POST", "/v1/machines/web/identity", ""); !slices.Contains(failed, "policy.sev-snp.debug") {
		t.Errorf("%v", failed)
	}
	r.must("POST", "/v1/faults/clear", `{"fault": "snp-debug"}`, nil)
	r.must("POST", "/v1/machines/web/identity", "", nil)

	r.must("POST", "/v1/clock", `{"travel": "960h"}`, nil)
	var clock struct{ Now time.Time }
	r.must("GET", "/v1/clock", "", &clock)
	if time.Until(clock.Now) < 900*time.Hour {
		t.Errorf("it is %s", clock.Now)
	}
	r.refused("POST", "/v1/machines/ledger/identity", "") // by collateral that has run out
	r.must("POST", "/v1/refresh", "", nil)
	r.must("POST", "/v1/machines/ledger/identity", "", nil)

	r.must("DELETE", "/v1/machines/web", "", nil)
	var all struct{ Machines []struct{ Name string } }
	r.must("GET", "/v1/machines", "", &all)
	if len(all.Machines) != 2 {
		t.Errorf("%+v", all)
	}
}

// Evidence is what evidence.Parse reads, and carries what was asked for.
func TestAttest(t *testing.T) {
	r := elsewhere(t, lab.Files(t.TempDir()))
	r.must("POST", "/v1/machines", `{"name": "web", "technology": "sev-snp"}`, nil)
	_, body := r.do("POST", "/v1/machines/web/attest", `{"report_data": "`+strings.Repeat("0a", 64)+`"}`)
	bundle, err := evidence.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	report := bundle[0].(*evidence.SNP).Report
	if string(report[0x50:0x90]) != strings.Repeat("\n", 64) {
		t.Errorf("REPORT_DATA is %x", report[0x50:0x90])
	}
}

// elsewhere is an interface without a service.
func elsewhere(t *testing.T, files lab.Files) remote {
	t.Helper()
	clock := &lab.Clock{}
	w, err := simulators.NewMoving("shared", clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	f, v := fleet.New(w), vendors.New(w)
	f.Use(v)
	server := httptest.NewServer(control.New(control.Options{Fleet: f, Vendors: v, Clock: clock, Host: control.Elsewhere(w, v, files, "sim.test")}))
	t.Cleanup(server.Close)
	return remote{t, server.URL}
}

// Without a service, what one needs is in files: also what a vendor revokes.
func TestElsewhere(t *testing.T) {
	files := lab.Files(t.TempDir())
	r := elsewhere(t, files)
	r.must("POST", "/v1/machines", `{"name": "web", "technology": "sev-snp"}`, nil)
	if _, err := os.Stat(filepath.Join(files.Policies(), "web.yaml")); err != nil {
		t.Error(err)
	}
	revoked := func() (n int) {
		read, _, err := endorsements.Load(files.Endorsements())
		if err != nil {
			t.Fatal(err)
		}
		for _, list := range read.RevocationLists() {
			n += len(list.RevokedCertificateEntries)
		}
		return n
	}
	before := revoked()
	r.must("POST", "/v1/faults", `{"fault": "ask-revoked"}`, nil)
	r.must("POST", "/v1/refresh", "", nil)
	if after := revoked(); after <= before {
		t.Errorf("%d certificates are revoked, %d were before", after, before)
	}
}

// What cannot be done has the service's form of refusal, with a code.
func TestRefuses(t *testing.T) {
	r := elsewhere(t, lab.Files(t.TempDir()))
	r.must("POST", "/v1/machines", `{"name": "web", "technology": "sev-snp"}`, nil)
	for _, test := range []struct {
		request, body string
		status        int
		code          evidence.Code
	}{
		{"GET /v1/nothing", "", 404, evidence.CodeNotFound},
		{"PUT /v1/machines", "{}", 405, evidence.CodeMethodNotAllowed},
		{"GET /v1/machines/gone", "", 404, evidence.CodeNotFound},
		{"DELETE /v1/machines/gone", "", 404, evidence.CodeNotFound},
		{"POST /v1/machines", "", 415, evidence.CodeRequestMediaType},
		{"POST /v1/machines", "{", 400, evidence.CodeRequestMalformed},
		{"POST /v1/machines", `{"name": "a", "name": "b", "technology": "tdx"}`, 400, evidence.CodeRequestMalformed},
		{"POST /v1/machines", `{"name": "a", "technology": "tdx", "colour": "red"}`, 400, evidence.CodeConfigMalformed},
		{"POST /v1/machines", `{"name": "web", "technology": "tdx"}`, 400, evidence.CodeConfigMalformed},
		{"POST /v1/machines", `{"name": "a", "technology": "sgx"}`, 400, evidence.CodeConfigMalformed},
		{"POST /v1/machines", `{"name": "a", "technology": "sev-snp", "kernel": {"file": "/etc/passwd"}}`, 400, evidence.CodeConfigMalformed},
		{"POST /v1/machines", `{"name": "` + strings.Repeat("a", 2<<20) + `"}`, 413, evidence.CodeRequestTooLarge},
		{"POST /v1/machines/web/attest", `{"report_data": "00"}`, 400, evidence.CodeRequestMalformed},
		{"POST /v1/machines/web/attest", `{"Report_Data": "00"}`, 400, evidence.CodeRequestMalformed},
		{"POST /v1/machines/web/attest", `{"report_data": null}`, 400, evidence.CodeRequestMalformed},
		{"POST /v1/machines/web/identity", "", 404, evidence.CodeNotFound}, // there is no service
		{"POST /v1/machines/web/extend", `{"register": "rtmr3", "data": "AA=="}`, 400, evidence.CodeConfigMalformed},
		{"POST /v1/faults", `{"fault": "nothing"}`, 400, evidence.CodeConfigMalformed},
		{"POST /v1/faults/clear", `{"fault": "snp-debug"}`, 400, evidence.CodeConfigMalformed},
		{"POST /v1/clock", `{"travel": "soon"}`, 400, evidence.CodeRequestMalformed},
		{"POST /v1/clock", `{"travel": "999999h"}`, 400, evidence.CodeRequestMalformed},
		{"GET /v1/bundle", "", 404, evidence.CodeNotFound},
	} {
		method, path, _ := strings.Cut(test.request, " ")
		if status, code, _ := r.refused(method, path, test.body); status != test.status || code != test.code.String() {
			t.Errorf("%s %.80s: %d %s, want %d %s", test.request, test.body, status, code, test.status, test.code)
		}
	}
}

// Web pages get nothing out of it: neither one of another origin, nor one whose own name
// leads here.
func TestWebPages(t *testing.T) {
	r := elsewhere(t, lab.Files(t.TempDir()))
	if status, code, _ := r.refused("POST", "/v1/refresh", "", "Origin", "https://example.org"); status != http.StatusForbidden || code != evidence.CodeForbidden.String() {
		t.Errorf("from another origin: %d", status)
	}
	if status, code, _ := r.refused("GET", "/v1/machines", "", "Host", "example.org"); status != http.StatusForbidden || code != evidence.CodeForbidden.String() {
		t.Errorf("by another name: %d %s", status, code)
	}
	for _, host := range []string{"localhost:8090", "[::1]:8090", "simulators:8090"} {
		if status, _ := r.do("GET", "/v1/machines", "", "Host", host); status != http.StatusOK {
			t.Errorf("by %s: %d", host, status)
		}
	}
}
