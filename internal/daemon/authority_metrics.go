package daemon

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/quotary/quotary/ca"
)

// authorityMetrics shows the authorities to Prometheus. Labels are slots and
// states, which are closed sets.
type authorityMetrics struct{ authority *ca.Authority }

var (
	descAuthorityExpires = prometheus.NewDesc("quotary_authority_expires_seconds",
		"When the issuing CA of an authority ends, in seconds since 1970.", []string{"slot", "state"}, nil)
	descAuthorityDue = prometheus.NewDesc("quotary_authority_activation_seconds",
		"When the next authority is to take over from the active one, in seconds since 1970.", nil, nil)
	descAuthoritySequence = prometheus.NewDesc("quotary_authority_sequence",
		"The sequence number of the trust bundle.", nil, nil)
)

// Describe implements prometheus.Collector.
func (authorityMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descAuthorityExpires, descAuthorityDue, descAuthoritySequence} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m authorityMetrics) Collect(ch chan<- prometheus.Metric) {
	status := m.authority.Status()
	for _, slot := range status.Slots {
		ch <- prometheus.MustNewConstMetric(descAuthorityExpires, prometheus.GaugeValue, float64(slot.Issuing.NotAfter.Unix()), slot.Name, string(slot.State))
	}
	ch <- prometheus.MustNewConstMetric(descAuthorityDue, prometheus.GaugeValue, float64(status.ActivateAt.Unix()))
	ch <- prometheus.MustNewConstMetric(descAuthoritySequence, prometheus.GaugeValue, float64(status.Sequence))
}
