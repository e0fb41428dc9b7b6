package daemon

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/internal/revocation"
)

// authorityMetrics shows the authorities to Prometheus. Labels are slots and
// states, which are closed sets.
type authorityMetrics struct {
	authority   *ca.Authority
	revocations *revocation.Publisher
}

var (
	descAuthorityExpires = prometheus.NewDesc("quotary_authority_expires_seconds",
		"When the issuing CA of an authority ends, in seconds since 1970.", []string{"slot", "state"}, nil)
	descAuthorityDue = prometheus.NewDesc("quotary_authority_activation_seconds",
		"When the next authority is to take over from the active one, in seconds since 1970.", nil, nil)
	descRootList = prometheus.NewDesc("quotary_root_list_expires_seconds",
		"When the revocation list of an authority's root ends, in seconds since 1970; 0 if there is none.", []string{"slot", "state"}, nil)
	descAuthoritySequence = prometheus.NewDesc("quotary_authority_sequence",
		"The sequence number of the trust bundle.", nil, nil)
)

// Describe implements prometheus.Collector.
func (authorityMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descAuthorityExpires, descAuthorityDue, descRootList, descAuthoritySequence} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m authorityMetrics) Collect(ch chan<- prometheus.Metric) {
	status, lists := m.authority.Status(), m.revocations.Lists()
	for _, slot := range status.Slots {
		ch <- prometheus.MustNewConstMetric(descAuthorityExpires, prometheus.GaugeValue, float64(slot.Issuing.NotAfter.Unix()), slot.Name, string(slot.State))
		var ends int64
		if until, ok := lists.RootsUntil[slot.Authority]; ok {
			ends = until.Unix()
		}
		ch <- prometheus.MustNewConstMetric(descRootList, prometheus.GaugeValue, float64(ends), slot.Name, string(slot.State))
	}
	ch <- prometheus.MustNewConstMetric(descAuthorityDue, prometheus.GaugeValue, float64(status.ActivateAt.Unix()))
	ch <- prometheus.MustNewConstMetric(descAuthoritySequence, prometheus.GaugeValue, float64(status.Sequence))
}
