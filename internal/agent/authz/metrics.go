package authz

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quotary/quotary/client/authorize"
)

// metrics count decisions.
type metrics struct {
	decisions *prometheus.CounterVec
	seconds   prometheus.Histogram
	heard     prometheus.GaugeFunc
}

func newMetrics(a *authorize.Authorizer) *metrics {
	return &metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "quotary_agent_authorizations_total",
			Help: "Requests of proxies that were decided, by code; allowed ones have none.",
		}, []string{"code"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "quotary_agent_authorization_seconds", Help: "How long decisions took.",
			Buckets: []float64{.00001, .00003, .0001, .0003, .001, .003, .01, .1},
		}),
		heard: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "quotary_agent_authorization_heard_timestamp_seconds",
			Help: "When trust bundle and revocations were last confirmed; 0 for never.",
		}, func() float64 {
			at := a.Heard()
			if at.IsZero() {
				return 0
			}
			return float64(at.UnixMilli()) / 1000
		}),
	}
}

func (m *metrics) decided(d authorize.Decision, took time.Duration) {
	m.decisions.WithLabelValues(d.Code.String()).Inc()
	m.seconds.Observe(took.Seconds())
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	m.decisions.Describe(out)
	m.seconds.Describe(out)
	m.heard.Describe(out)
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	m.decisions.Collect(out)
	m.seconds.Collect(out)
	m.heard.Collect(out)
}
