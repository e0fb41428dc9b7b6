package teetest

import (
	"slices"
	"testing"
	"time"
)

// Ratio measures run in turns with what is unavoidable in it, and reports, besides
// its time, the ratio of the fastest tenths of both under this unit: what else the
// machine does spoils the others. Before each run it calls prepare, unmeasured.
func Ratio(b *testing.B, unit string, unavoidable, prepare, run func()) {
	b.Helper()
	b.ReportAllocs()
	var least, ours []time.Duration
	measured := func(f func()) time.Duration {
		began := time.Now()
		f()
		return time.Since(began)
	}
	for b.Loop() {
		b.StopTimer()
		least = append(least, measured(unavoidable))
		prepare()
		b.StartTimer()
		ours = append(ours, measured(run))
	}
	fastest := func(times []time.Duration) float64 {
		slices.Sort(times)
		return float64(times[len(times)/10])
	}
	b.ReportMetric(fastest(ours)/fastest(least), unit)
}
