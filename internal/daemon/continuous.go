package daemon

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/continuous"
	"github.com/quotary/quotary/tee"
	collateral "github.com/quotary/quotary/tee/endorsements/store"
	"github.com/quotary/quotary/verifier"
)

// ContinuousTrust says what becomes of live identities that no longer pass, because policy,
// a vendor's list or a TCB status changed.
type ContinuousTrust struct {
	// Mode is "revoke", which revokes their certificates, or "report", which only says whose
	// would be: in the log, the audit trail and the metrics. Defaults to revoke.
	Mode continuous.Mode `yaml:"mode"`
}

func (c ContinuousTrust) check() error {
	if c.Mode != "" && c.Mode != continuous.Revoke && c.Mode != continuous.Report {
		return evidence.Errorf(evidence.CodeConfigMalformed, "continuous_trust.mode", "%q is neither %q nor %q", c.Mode, continuous.Revoke, continuous.Report)
	}
	return nil
}

func (c ContinuousTrust) mode() continuous.Mode {
	if c.Mode == "" {
		return continuous.Revoke
	}
	return c.Mode
}

// openContinuous makes what holds live identities to what is in force.
func (d *Daemon) openContinuous(v *verifier.Verifier) *continuous.Sweeper {
	s := continuous.New(continuous.Config{
		Mode: d.Config.ContinuousTrust.mode(), Ledger: d.ledger, Reviewer: v, Policies: d.policies, Publisher: d.revocations,
		Logger: d.logger, Now: d.now,
	})
	d.continuous.Store(s)
	return s
}

// noteCollateral has live identities looked at when a list or document came into force, or
// something that was kept for one. Before there is anybody to look, a first look is due anyway.
func (d *Daemon) noteCollateral(e collateral.Event) {
	logEvent(d.logger, e)
	s := d.continuous.Load()
	if s != nil && e.Err == nil && e.Withdraws && e.Name != (tee.EndorsementName{}) {
		s.Trigger(continuous.Collateral)
	}
}

// continuousMetrics shows how live identities are held to what is in force to Prometheus.
// Labels are triggers and causes, which are closed sets.
type continuousMetrics struct{ sweeper *continuous.Sweeper }

func continuousDescription(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("quotary_continuous_"+name, help, labels, nil)
}

var (
	descSweeps      = continuousDescription("sweeps_total", "Looks at live identities that came to their end, by their first cause.", "trigger")
	descFailedSweep = continuousDescription("failed_sweeps_total", "Looks at live identities that were left, and are tried again.")
	descReviewed    = continuousDescription("reviewed_total", "Identities that were judged once more.")
	descRevoked     = continuousDescription("revoked_total", "Certificates that were revoked without an administrator, by what spoke against them.", "cause")
	descDue         = continuousDescription("due", "1 while a look at live identities is under way or waits.")
	descFailing     = continuousDescription("failing", "Identities that no longer passed at the last look and were not revoked.")
	descUnknown     = continuousDescription("unknown", "Identities of which the record does not say enough to judge them, at the last look.")
	descSweepTook   = continuousDescription("last_sweep_duration_seconds", "How long the last look at all live identities took.")
	descSweepAt     = continuousDescription("last_sweep_seconds", "When the last look at all live identities began, in seconds since 1970; 0 before the first.")
)

// Describe implements prometheus.Collector.
func (continuousMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descSweeps, descFailedSweep, descReviewed, descRevoked, descDue, descFailing, descUnknown, descSweepTook, descSweepAt} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m continuousMetrics) Collect(ch chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	s := m.sweeper.Status()
	for trigger, n := range s.Sweeps {
		put(descSweeps, counter, float64(n), string(trigger))
	}
	for cause, n := range s.Revoked {
		put(descRevoked, counter, float64(n), string(cause))
	}
	put(descFailedSweep, counter, float64(s.Failures))
	put(descReviewed, counter, float64(s.Reviewed))
	due, at := 0.0, 0.0
	if s.Due {
		due = 1
	}
	if !s.Last.At.IsZero() {
		at = float64(s.Last.At.Unix())
	}
	put(descDue, gauge, due)
	put(descFailing, gauge, float64(s.Last.Failing))
	put(descUnknown, gauge, float64(s.Last.Unknown))
	put(descSweepTook, gauge, s.Last.Took.Seconds())
	put(descSweepAt, gauge, at)
}
