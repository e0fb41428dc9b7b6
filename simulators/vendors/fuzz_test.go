package vendors_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/simulators/vendors"
)

// Whatever is asked for has an answer of a status that the vendors' documents know.
func FuzzServer(f *testing.F) {
	w, err := shared()
	if err != nil {
		f.Fatal(err)
	}
	right, altered := vendors.New(w), vendors.New(w)
	for _, fault := range vendors.Faults() {
		if fault.Machines || strings.Contains(fault.Name, "/") {
			continue
		}
		if err := altered.Inject(fault.Name); err != nil {
			f.Fatal(err)
		}
	}
	f.Add("GET", "/amd-kds/vcek/v1/Milan/crl", "")
	f.Add("GET", "/vlek/v1/Milan/cert_chain", "")
	f.Add("GET", "/amd-kds/vcek/v1/Milan/"+strings.Repeat("ab", 64), "blSPL=4&snpSPL=24")
	f.Add("GET", "/intel-pcs/tdx/certification/v4/tcb", "fmspc=53494d544458&update=early")
	f.Add("GET", "/intel-pccs/sgx/certification/v4/pckcrl", "ca=PLATFORM&encoding=pem")
	f.Add("HEAD", "/intel-root/IntelSGXRootCA.der", "")
	f.Add("POST", "//", "%zz")
	statuses := []int{200, 400, 401, 404, 405, 410}
	f.Fuzz(func(t *testing.T, method, path, query string) {
		for _, server := range []*vendors.Server{right, altered} {
			recorder := httptest.NewRecorder()
			server.ServeHTTP(recorder, &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}})
			if !slices.Contains(statuses, recorder.Code) {
				t.Errorf("%s %q?%q: status %d", method, path, query, recorder.Code)
			}
		}
	})
}
