package samples_test

import (
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/samples"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/tdx"
)

// TestSamplesAreGenuine holds every sample to the pinned roots, at its time and
// thirty years later.
func TestSamplesAreGenuine(t *testing.T) {
	all, err := samples.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 {
		t.Fatalf("%d samples", len(all))
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			v := verifierFor(t, s.Item.Kind())
			if out := v.Verify(s.Item, s.Endorsements, tee.Params{Now: s.At}); !out.Genuine() || out.Claims.Simulated {
				t.Errorf("at %s: failed %v, missing %v", s.At, out.Checks.Failed(), out.Missing)
			}
			if out := v.Verify(s.Item, s.Endorsements, tee.Params{Now: s.At.Add(30 * 365 * 24 * time.Hour)}); out.Genuine() {
				t.Error("genuine thirty years later")
			}
		})
	}
}

func verifierFor(t *testing.T, kind evidence.Kind) tee.Verifier {
	t.Helper()
	var v tee.Verifier
	var err error
	switch kind {
	case evidence.KindSEVSNP:
		v, err = sevsnp.New()
	case evidence.KindTDX:
		v, err = tdx.New()
	default:
		t.Fatalf("a sample of kind %s", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}
