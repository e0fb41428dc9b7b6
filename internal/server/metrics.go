package server

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/quotary/quotary/evidence"
)

// metrics are kept in a registry of their own. Every label's values come from a
// closed set: nothing that a client sends can add a series.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	inFlight prometheus.Gauge
	outcomes *prometheus.CounterVec
	stages   *prometheus.HistogramVec
}

func newMetrics(version string, simulated bool) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "quotary_http_requests_total", Help: "Requests by route, method and status.",
		}, []string{"route", "method", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "quotary_http_requests_in_flight", Help: "Requests that are being handled.",
		}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "quotary_outcomes_total",
			Help: "Outcomes by action (attestation, appraisal, enrolment, admin.NAME), kinds of evidence, verdict and code; the code is that of the refusal, or of the first check that failed.",
		}, []string{"action", "kinds", "verdict", "code"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "quotary_stage_seconds", Help: "Time that the stages of a request took.",
			Buckets: []float64{1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1, 5},
		}, []string{"stage"}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "quotary_info", Help: "1, with the build's version and whether simulated evidence is accepted.",
		ConstLabels: prometheus.Labels{"version": version, "simulated_accepted": strconv.FormatBool(simulated)},
	})
	info.Set(1)
	m.registry.MustRegister(m.requests, m.inFlight, m.outcomes, m.stages, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// handler answers GET /metrics.
func (m *metrics) handler() http.HandlerFunc {
	h := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{DisableCompression: true})
	return func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r.Context()).enter(r)
		w.Header().Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	}
}

func (m *metrics) request(x *exchange) {
	m.requests.WithLabelValues(x.route, knownMethod(x.r.Method), strconv.Itoa(x.status)).Inc()
}

// outcome counts what became of an audited request; code is empty if it succeeded.
func (m *metrics) outcome(x *exchange, action, code string) {
	verdict := "refused"
	if code == "" {
		verdict = "done"
	}
	if x.result.Valid() {
		verdict = string(x.result.Verdict())
		if failed := x.result.Checks().Failed(); code == evidence.CodeNotAccepted.String() && len(failed) > 0 {
			code = failed[0].Code.String()
		}
	}
	m.outcomes.WithLabelValues(action, kindsLabel(x.kinds), verdict, code).Inc()
}

// kindsLabel names a bundle's kinds; a bundle has each at most once, so there
// are as many values as subsets.
func kindsLabel(kinds []evidence.Kind) string {
	if len(kinds) == 0 {
		return "none"
	}
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		if !slices.Contains(evidence.Kinds(), kind) {
			kind = "other"
		}
		names[i] = string(kind)
	}
	return strings.Join(names, "+")
}

// knownMethod keeps invented methods out of labels and logs.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "other"
}
