package daemon_test

import (
	"fmt"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/tee"
)

// BenchmarkSweep is a look at many identities of real claims: what each of them costs is what
// a change of policy or collateral does. A sweep rests as long as it works, which is counted.
func BenchmarkSweep(b *testing.B) {
	s := simulate(b)
	for _, kind := range evidence.Kinds() {
		b.Run(string(kind), func(b *testing.B) {
			const identities = 500
			one := s
			one.machines = map[evidence.Kind]tee.Attester{kind: s.machines[kind]}
			x := trusting(b, one, one.config(b))
			x.stop()
			x.multiply(b, identities-1)
			x.start(b)
			x.looked(b)
			b.ResetTimer()
			for range b.N {
				if err := x.Reload(b.Context()); err != nil {
					b.Fatal(err)
				}
				if c := x.looked(b); c.Reviewed != identities || c.Failing+c.Revoked+c.Unknown != 0 {
					b.Fatalf("%+v", c)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*identities), "ns/identity")
		})
	}
}

// multiply adds identities like the one that the ledger has, while no service runs.
func (x *trust) multiply(tb testing.TB, times int) {
	tb.Helper()
	ledger, err := store.Open(tb.Context(), daemon.LedgerPath(x.data))
	if err != nil {
		tb.Fatal(err)
	}
	defer ledger.Close()
	list, _, err := ledger.Issuances(tb.Context(), store.IssuanceFilter{Claims: true, Limit: 1})
	if err != nil || len(list) != 1 {
		tb.Fatal(len(list), err)
	}
	for n := range times {
		i := list[0]
		i.AttestationID, i.Serial, i.TokenID = fmt.Sprintf("%032x", n), fmt.Sprintf("%032x", n), ""
		event := store.Event{Time: i.IssuedAt, Actor: "service", Action: "attestation", Outcome: store.Issued, AttestationID: i.AttestationID}
		if err := ledger.Record(tb.Context(), store.Entry{Event: event, Issuance: &i}); err != nil {
			tb.Fatal(err)
		}
	}
}
