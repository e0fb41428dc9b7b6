package main

import (
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/quotary/quotary/simulators/sevsnp"
)

// simulatedKDS is a simulated key distribution service, on loopback, until the
// tests end.
type simulatedKDS struct{ url, dead string }

// serveKDS starts the service. Under a prefix it has the faults of a vendor:
//
//	/absent   knows nothing
//	/busy     wants an hour's pause
//	/broken   fails with each request
//	/page     answers with a log-in page
//	/forged   answers with the wrong signature
var serveKDS = sync.OnceValues(func() (simulatedKDS, error) {
	vendors, err := simulatedAMD()
	if err != nil {
		return simulatedKDS{}, err
	}
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
	mux.Handle("/forged/", http.StripPrefix("/forged", answers(vendors, forge)))
	mux.Handle("/", answers(vendors, func(body []byte) []byte { return body }))
	dead := httptest.NewServer(mux)
	dead.Close()
	return simulatedKDS{httptest.NewServer(mux).URL, dead.URL}, nil
})

// answers has simulated vendors answer, each answer changed.
func answers(vendors []*sevsnp.Vendor, change func([]byte) []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, contentType, body := sevsnp.KDS(vendors).Answer(r.Method, r.URL.Path, r.URL.RawQuery)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write(change(body))
	})
}
