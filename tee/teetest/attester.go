package teetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// AttesterConformance is what [ConformAttester] needs to know of an attester.
type AttesterConformance struct {
	// Attester is of a machine that gives evidence.
	Attester tee.Attester
	// ReportData returns what an item of it carries.
	ReportData func(testing.TB, evidence.Item) []byte
}

// ConformAttester holds an attester to the contract of [tee.Attester], and to
// what callers of a real machine rely on: it honours its context, serves several
// callers at once and gives each a bundle of its own. Run it with -race, too.
func ConformAttester(t *testing.T, c AttesterConformance) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"Kinds", c.kinds},
		{"Binding", c.binding},
		{"Encodes", c.encodes},
		{"SharesNothing", c.sharesNothing},
		{"EndedContext", c.endedContext},
		{"Concurrent", c.concurrent},
	} {
		t.Run(part.name, part.run)
	}
}

// attest asks for evidence with a new binding and looks at what it carries.
func (c AttesterConformance) attest(t *testing.T) evidence.Bundle {
	t.Helper()
	var binding evidence.Binding
	rand.Read(binding[:]) // never fails (crypto/rand)
	bundle, err := c.Attester.Attest(t.Context(), binding)
	if err != nil {
		t.Error(err)
		return nil
	}
	if kinds := slices.Sorted(slices.Values(c.Attester.Kinds())); !slices.Equal(bundle.Kinds(), kinds) {
		t.Errorf("evidence of %v, announced were %v", bundle.Kinds(), kinds)
	}
	for _, item := range bundle {
		if got, want := c.ReportData(t, item), binding.ReportData(item.Kind()); !bytes.Equal(got, want) {
			t.Errorf("%s carries %x, not the binding %x", item.Kind(), got, want)
		}
	}
	return bundle
}

// kinds come before the evidence, so they must not change with it.
func (c AttesterConformance) kinds(t *testing.T) {
	first := slices.Clone(c.Attester.Kinds())
	if sorted := slices.Sorted(slices.Values(first)); len(first) == 0 || len(slices.Compact(sorted)) != len(first) {
		t.Fatalf("kinds %v", first)
	}
	for _, kind := range first {
		if _, err := evidence.ParseKind(string(kind)); err != nil {
			t.Error(err)
		}
	}
	c.attest(t)
	clear(c.Attester.Kinds())
	if again := c.Attester.Kinds(); !slices.Equal(again, first) {
		t.Errorf("kinds %v became %v", first, again)
	}
}

// binding asks twice: evidence of the first must not come again.
func (c AttesterConformance) binding(t *testing.T) {
	c.attest(t)
	c.attest(t)
}

// encodes holds the bundle to be one that a service reads.
func (c AttesterConformance) encodes(t *testing.T) {
	bundle := c.attest(t)
	for name, encode := range map[string]func() ([]byte, error){"JSON": bundle.MarshalJSON, "CBOR": bundle.MarshalCBOR} {
		encoded, err := encode()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := evidence.Parse(encoded)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		once, _ := bundle.MarshalCBOR()
		twice, _ := again.MarshalCBOR()
		if !bytes.Equal(once, twice) {
			t.Errorf("%s: another bundle after encoding and reading", name)
		}
	}
}

// sharesNothing overwrites a bundle; the next one must not know.
func (c AttesterConformance) sharesNothing(t *testing.T) {
	first := c.attest(t)
	want := transported(first)
	for _, item := range first {
		for _, p := range partsOf(item) {
			clear(p.value)
		}
	}
	if got := transported(c.attest(t)); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Error("the next evidence has other certificates than the last")
	}
}

// transported returns copies of what travels with evidence and is the same each time.
func transported(bundle evidence.Bundle) (all [][]byte) {
	for _, item := range bundle {
		for _, p := range partsOf(item) {
			if p.transport {
				all = append(all, bytes.Clone(p.value))
			}
		}
	}
	return all
}

func (c AttesterConformance) endedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if bundle, err := c.Attester.Attest(ctx, evidence.Binding{}); !errors.Is(err, context.Canceled) || bundle != nil {
		t.Errorf("with a context that has ended: bundle %v, error %v", bundle != nil, err)
	}
}

func (c AttesterConformance) concurrent(t *testing.T) {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				c.attest(t)
			}
		})
	}
	all.Wait()
}
