package sevsnp

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestTCBSurvivesEachForm writes the levels of both layouts as claims, as a query
// and as a certificate's extensions, and reads them back.
func TestTCBSurvivesEachForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := rapid.SampledFrom([]*layout{family19, family1A}).Draw(t, "layout")
		want := drawTCB(t, l, "level")
		if got, ok := l.fromClaims(want.claims()); !ok || got != want {
			t.Errorf("by claims %s becomes %s (%v)", want, got, ok)
		}
		if got, ok := l.parseQuery(want.query()); !ok || got != want {
			t.Errorf("by query %s becomes %s (%v)", want, got, ok)
		}
		if got, err := extensionsOf(want).tcb(l); err != nil || got != want {
			t.Errorf("by extensions %s becomes %s (%v)", want, got, err)
		}
		if want.String() != want.query() || want.hasReserved() {
			t.Errorf("%s has reserved levels", want)
		}
	})
}

// TestLayoutsAreDisjoint shows that the levels of one layout are never taken for
// those of the other, whatever bytes they are.
func TestLayoutsAreDisjoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := [8]byte(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "bytes"))
		x, y := tcb{family19, bytes}, tcb{family1A, bytes}
		if x == y || x.String() == y.String() {
			t.Fatalf("%s and %s are the same", x, y)
		}
		for _, test := range []struct {
			l     *layout
			other tcb
		}{{family19, y}, {family1A, x}} {
			if got, ok := test.l.fromClaims(test.other.claims()); ok {
				t.Errorf("claims of %s are read as %s", test.other, got)
			}
			if got, ok := test.l.parseQuery(test.other.query()); ok {
				t.Errorf("%s is read as %s", test.other.query(), got)
			}
			if got, err := extensionsOf(test.other).tcb(test.l); err == nil {
				t.Errorf("extensions of %s are read as %s", test.other, got)
			}
		}
	})
}

// TestEveryLevelCounts changes each byte: another TCB comes out in every form, or
// one with a reserved level, which is refused.
func TestEveryLevelCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := rapid.SampledFrom([]*layout{family19, family1A}).Draw(t, "layout")
		before := drawTCB(t, l, "level")
		after := before
		at := rapid.IntRange(0, 7).Draw(t, "at")
		after.levels[at] ^= rapid.ByteRange(1, 255).Draw(t, "by")
		if after == before || after.String() == before.String() {
			t.Fatalf("byte %d of %s does not show", at, after)
		}
		if after.hasReserved() != (after.query() == before.query()) {
			t.Errorf("byte %d of %s: reserved is %v", at, after, after.hasReserved())
		}
		if after.hasReserved() != strings.Contains(after.String(), "reserved") {
			t.Errorf("%q does not say what is reserved", after)
		}
	})
}

// TestLayoutsAreWhole counts the bytes: each is a component's or reserved, and no
// two share one, nor an extension.
func TestLayoutsAreWhole(t *testing.T) {
	for _, l := range []*layout{family19, family1A} {
		bytes, arcs := map[int]bool{}, map[int]bool{}
		add := func(at, arc int) {
			if bytes[at] || arcs[arc] || at < 0 || at > 7 || arc < 1 || arc > lastSPL {
				t.Errorf("structure version %d: byte %d, extension %d", l.structVersion, at, arc)
			}
			bytes[at], arcs[arc] = true, true
		}
		for c, at := range l.at {
			if at != absent {
				add(at, components[c].arc)
			}
		}
		for _, r := range l.reserved {
			add(r.at, r.arc)
		}
		if len(bytes) != 8 {
			t.Errorf("structure version %d has %d bytes", l.structVersion, len(bytes))
		}
		if layoutOfCertificate(l.structVersion) != l {
			t.Errorf("structure version %d leads to another layout", l.structVersion)
		}
	}
	if l := layoutOfCertificate(2); l != nil {
		t.Errorf("structure version 2 leads to %+v", l)
	}
}

// extensionsOf writes levels as a key certificate has them.
func extensionsOf(t tcb) kdsExtensions {
	x := kdsExtensions{oidStructVersion.String(): encodeUint8(t.layout.structVersion)}
	for c, at := range t.layout.at {
		if at != absent {
			x[oidOfSPL(components[c].arc).String()] = encodeUint8(t.levels[at])
		}
	}
	for _, r := range t.layout.reserved {
		x[oidOfSPL(r.arc).String()] = encodeUint8(t.levels[r.at])
	}
	return x
}
