package scenarios_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/simulators/scenarios"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/tdx"
	"github.com/quotary/quotary/tee/tpm"
	"github.com/quotary/quotary/verifier"
)

// FuzzEvidence begins with what the machines of the library send, and changes that:
// whatever can be decoded means the same when it is written and read again, and is
// judged without a panic.
func FuzzEvidence(f *testing.F) {
	library, err := scenarios.Library()
	if err != nil {
		f.Fatal(err)
	}
	world, err := simulators.New("scenarios", time.Now())
	if err != nil {
		f.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, s := range library {
		for _, spec := range s.Machines {
			machine, err := machines.New(world, spec)
			if err != nil {
				f.Fatalf("%s, %s: %v", s.Name, spec.Name, err)
			}
			bundle, err := machine.Attest(f.Context(), evidence.Binding{1})
			if err != nil {
				f.Fatalf("%s, %s: %v", s.Name, spec.Name, err)
			}
			encoded, err := bundle.MarshalJSON()
			if err != nil {
				f.Fatal(err)
			}
			if kind := string(spec.Technology); !kinds[kind] { // one of each is enough to begin with
				kinds[kind] = true
				f.Add(encoded)
			}
			if err := machine.Close(); err != nil {
				f.Error(err)
			}
		}
	}
	v := judging(f, world)
	f.Fuzz(func(t *testing.T, data []byte) {
		bundle, err := evidence.Parse(data)
		if err != nil {
			if evidence.CodeOf(err).IsZero() {
				t.Errorf("an error without a code: %v", err)
			}
			return
		}
		encoded, err := bundle.MarshalJSON()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if again, err := evidence.Parse(encoded); err != nil || !cmp.Equal(again, bundle) {
			t.Errorf("it means something else when it is read again: %v", err)
		}
		v.Examine(bundle, nil)
	})
}

// judging is a verifier that trusts the world.
func judging(f *testing.F, w *simulators.World) *verifier.Verifier {
	f.Helper()
	published, err := w.Endorsements()
	if err != nil {
		f.Fatal(err)
	}
	snp, err := sevsnp.New(w.SEVSNP.Anchor())
	if err != nil {
		f.Fatal(err)
	}
	intel, err := tdx.New(w.TDX.Anchor())
	if err != nil {
		f.Fatal(err)
	}
	tpms, err := tpm.New(tpm.Options{Roots: []tee.Anchor{w.TPM.Anchor()}})
	if err != nil {
		f.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{
		Technologies: []tee.Verifier{snp, intel, tpms}, AcceptSimulated: true,
		Endorsements: func() *tee.Endorsements { return published },
	})
	if err != nil {
		f.Fatal(err)
	}
	return v
}
