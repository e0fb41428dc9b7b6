package main

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
)

// simulatedServices are those of simulated vendors, on loopback, until the tests
// end. Each is the base URL of one.
type simulatedServices struct {
	kds, pcs, root, pccs string
	tls                  string // the PCCS with a TLS certificate that it signed itself
	certificate          []byte // that, as PEM
	dead                 string // nobody listens there
}

// serveVendors starts the services. Under a prefix each has the faults of a vendor:
//
//	/absent   knows nothing
//	/busy     wants an hour's pause
//	/broken   fails with each request
//	/page     answers with a log-in page
//	/forged   answers with the wrong signature
var serveVendors = sync.OnceValues(func() (simulatedServices, error) {
	amd, err := simulatedAMD()
	if err != nil {
		return simulatedServices{}, err
	}
	intel := tdx.NewServices(simulatedIntel())
	secure := httptest.NewUnstartedServer(withFaults(fromIntel(intel.PCCS)))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // who does not trust it, says so
	secure.StartTLS()
	dead := httptest.NewServer(nil)
	dead.Close()
	return simulatedServices{
		kds: serve(fromAMD(amd)), pcs: serve(fromIntel(intel.PCS)), root: serve(fromIntel(intel.Roots)), pccs: serve(fromIntel(intel.PCCS)),
		tls: secure.URL, certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}),
		dead: dead.URL,
	}, nil
})

// answer is what a service says to a request.
type answer func(r *http.Request) (status int, header map[string]string, body []byte)

func serve(of answer) string { return httptest.NewServer(withFaults(of)).URL }

// withFaults serves answers, and faults under the prefixes.
func withFaults(of answer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/absent/", http.NotFound)
	mux.HandleFunc("/busy/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	mux.HandleFunc("/broken/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/page/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>please log in"))
	})
	mux.Handle("/forged/", http.StripPrefix("/forged", changed(of, forge)))
	mux.Handle("/", changed(of, func(body []byte) []byte { return body }))
	return mux
}

// changed serves answers, with the body of what is there changed.
func changed(of answer, change func([]byte) []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, header, body := of(r)
		if status == http.StatusOK {
			body = change(body)
		}
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

func fromAMD(vendors []*sevsnp.Vendor) answer {
	return func(r *http.Request) (int, map[string]string, []byte) {
		status, contentType, body := sevsnp.KDS(vendors).Answer(r.Method, r.URL.Path, r.URL.RawQuery)
		return status, map[string]string{"Content-Type": contentType}, body
	}
}

func fromIntel(service func(method, path, query string) tdx.Answer) answer {
	return func(r *http.Request) (int, map[string]string, []byte) {
		a := service(r.Method, r.URL.Path, r.URL.RawQuery)
		return a.Status, a.Header, a.Body
	}
}

// withCRL serves answers, but this list at a path.
func withCRL(of answer, path string, list []byte) http.Handler {
	return changed(func(r *http.Request) (int, map[string]string, []byte) {
		if r.URL.Path == path {
			return http.StatusOK, map[string]string{"Content-Type": "application/pkix-crl"}, list
		}
		return of(r)
	}, func(body []byte) []byte { return body })
}
