package daemon

import (
	"github.com/prometheus/client_golang/prometheus"

	collateral "github.com/quotary/quotary/tee/endorsements/store"
)

// collateralMetrics shows the endorsement store's counters to Prometheus. Labels
// are vendors and codes, which are closed sets.
type collateralMetrics struct{ store *collateral.Store }

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("quotary_endorsements_"+name, help, labels, nil)
}

var (
	descHeld      = description("held", "Endorsements in the store.")
	descKeys      = description("keys_held", "Certificates of machines' keys among them.")
	descBytes     = description("held_bytes", "Size of the endorsements in the store.")
	descEvicted   = description("evicted_total", "Key certificates that made room for others.")
	descInFlight  = description("in_flight", "Fetches that run or wait for their turn.")
	descDirectory = description("directory_failures_total", "Writes to the store's directory that failed.")
	descAvailable = description("vendor_available", "0 while the vendor is down or wants a pause.", "vendor")
	descRequests  = description("requests_total", "Requests to the vendor.", "vendor")
	descAnswers   = description("answer_bytes_total", "Size of the vendor's answers.", "vendor")
	descStored    = description("stored_total", "Endorsements of the vendor that came into force.", "vendor")
	descRefused   = description("refused_total", "Fetches that brought nothing, by reason.", "vendor", "code")
	descExpires   = description("expires_seconds", "When what every verification may need expires, in seconds since 1970; 0 if none is held.", "vendor", "type", "id")
)

// Describe implements prometheus.Collector.
func (collateralMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descHeld, descKeys, descBytes, descEvicted, descInFlight, descDirectory,
		descAvailable, descRequests, descAnswers, descStored, descRefused, descExpires,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m collateralMetrics) Collect(ch chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	c := m.store.Counters()
	put(descHeld, gauge, float64(c.Entries))
	put(descKeys, gauge, float64(c.Keys))
	put(descBytes, gauge, float64(c.Bytes))
	put(descEvicted, counter, float64(c.Evicted))
	put(descInFlight, gauge, float64(c.InFlight))
	put(descDirectory, counter, float64(c.DirectoryFailures))
	for _, v := range c.Vendors {
		available := 0.0
		if v.Available {
			available = 1
		}
		put(descAvailable, gauge, available, v.Name)
		put(descRequests, counter, float64(v.Requests), v.Name)
		put(descAnswers, counter, float64(v.Bytes), v.Name)
		put(descStored, counter, float64(v.Stored), v.Name)
		for code, n := range v.Refused {
			put(descRefused, counter, float64(n), v.Name, code.String())
		}
		for _, b := range v.Baseline {
			expires := 0.0
			if !b.Expires.IsZero() {
				expires = float64(b.Expires.Unix())
			}
			put(descExpires, gauge, expires, v.Name, b.Name.Type, b.Name.ID)
		}
	}
}
