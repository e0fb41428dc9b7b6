package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts attempts; everything else is read from the status when asked for.
type metrics struct {
	attempts    *prometheus.CounterVec
	revocations prometheus.Counter

	state, attested, due, expiry, failures *prometheus.Desc
}

// The outcomes of attempts.
const (
	outcomeGranted    = "granted"
	outcomeRefused    = "refused"
	outcomeUnanswered = "unanswered"
)

func newMetrics() *metrics {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("quotary_agent_"+name, help, labels, nil)
	}
	return &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "quotary_agent_attestations_total",
			Help: "Attempts to attest, by outcome (granted, refused, unanswered) and reason code.",
		}, []string{"outcome", "code"}),
		revocations: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "quotary_agent_revocations_total", Help: "Identities of this agent that the service revoked.",
		}),
		state:    describe("state", "1 for the state that the agent is in, 0 for the others.", "state"),
		attested: describe("last_attested_timestamp_seconds", "When an attestation was last granted; 0 for never."),
		due:      describe("next_due_timestamp_seconds", "When the agent attests next."),
		expiry:   describe("identity_expiry_timestamp_seconds", "When the identity ends; 0 if there is none."),
		failures: describe("consecutive_failures", "Attempts since the last one that was granted."),
	}
}

func (m *metrics) revoked() { m.revocations.Inc() }

func (m *metrics) granted() { m.attempts.WithLabelValues(outcomeGranted, "").Inc() }

func (m *metrics) failed(r *Reason) {
	outcome := outcomeUnanswered
	if r.Refused {
		outcome = outcomeRefused
	}
	m.attempts.WithLabelValues(outcome, r.Code).Inc()
}

// Describe implements prometheus.Collector.
func (a *Agent) Describe(out chan<- *prometheus.Desc) {
	m := a.metrics
	m.attempts.Describe(out)
	m.revocations.Describe(out)
	for _, d := range []*prometheus.Desc{m.state, m.attested, m.due, m.expiry, m.failures} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (a *Agent) Collect(out chan<- prometheus.Metric) {
	m := a.metrics
	m.attempts.Collect(out)
	m.revocations.Collect(out)
	view, _ := a.Current()
	s := view.Status
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, state := range States() {
		is := 0.0
		if state == s.State {
			is = 1
		}
		gauge(m.state, is, string(state))
	}
	gauge(m.attested, seconds(s.LastAttested))
	gauge(m.due, seconds(s.NextDue))
	gauge(m.expiry, seconds(s.Expires))
	gauge(m.failures, float64(s.Failures))
}

// seconds is a time as metrics have it; 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
