package ca

import (
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// By age alone an authority is prepared at half of the life of the active one,
// takes over at five sixths, and the old one goes when its last leaf has ended.
func TestAdvance(t *testing.T) {
	r := newRig(t)
	begin, slots := r.clock.at, r.Authority.Slots()
	root := r.active().root
	_, sequence := r.bundle()
	for _, step := range []struct {
		at     time.Duration
		states string
		made   int
	}{
		{issuingTTL/2 - time.Minute, "A:active", 0},
		{issuingTTL/2 + time.Minute, "A:active B:prepared", 1},
		{issuingTTL*5/6 - time.Minute, "A:active B:prepared", 0},
		{issuingTTL*5/6 + time.Minute, "A:old B:active", 1},
		{issuingTTL*5/6 + retireAfter, "A:old B:active", 0},
		{issuingTTL*5/6 + retireAfter + 2*time.Minute, "B:active", 1},
	} {
		r.clock.at = begin.Add(step.at)
		if made := r.made(slots.Advance()); len(made) != step.made {
			t.Errorf("after %s: %d changes, want %d", step.at, len(made), step.made)
		}
		r.expect(step.states)
		if made, err := slots.Advance(); err != nil || len(made) != 0 {
			t.Errorf("after %s, again: %d changes (%v)", step.at, len(made), err)
		}
		if err := r.chainTo(r.leaf()); err != nil {
			t.Errorf("after %s: %v", step.at, err)
		}
		_, s := r.bundle()
		if (s > sequence) != (step.made > 0) {
			t.Errorf("after %s: sequence %d after %d", step.at, s, sequence)
		}
		sequence = s
	}
	if !r.active().root.Equal(root) {
		t.Error("the root was replaced although it lives for years")
	}
	for _, c := range r.Changes()[1:] {
		if c.By != Service {
			t.Errorf("change %d is by %q", c.Number, c.By)
		}
	}
}

// A root is replaced when a whole life of an issuing CA no longer fits into its own.
func TestAdvanceReplacesTheRoot(t *testing.T) {
	r := newRig(t)
	root := r.active().root
	slots := r.Authority.Slots()
	for range 31 {
		r.after(118 * 24 * time.Hour).made(slots.Advance())
		if _, err := r.ServerCertificate(nil); err != nil {
			t.Fatalf("%s: %v", r.clock.at, err)
		}
		if age := r.active().checkAge(r.clock.at); age != nil {
			t.Fatal(age)
		}
	}
	if err := r.chainTo(r.leaf()); err != nil {
		t.Error(err)
	}
	if r.active().root.Equal(root) {
		t.Error("after ten years the root is the first one")
	}
}

// A service that was off for years comes back with its next authority, if the
// root's key is there.
func TestAdvanceAfterTheEnd(t *testing.T) {
	r := newRig(t)
	r.after(issuingTTL + time.Hour)
	c := Config{Dir: r.dir, TrustDomain: verifiertest.TrustDomain, Now: r.clock.now}
	if _, err := Open(c); evidence.CodeOf(err) != evidence.CodeAuthorityExpired {
		t.Fatalf("%v", err)
	}
	r.made(r.slots.Advance())
	if _, err := Open(c); err != nil {
		t.Error(err)
	}
}
