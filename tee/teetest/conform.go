package teetest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Conformance is what [Conform] needs to know of a technology.
type Conformance struct {
	// New returns a verifier that trusts the attester's simulated vendor and
	// remembers nothing yet.
	New func(testing.TB) tee.Verifier
	// Attester is a simulated machine of this technology alone.
	Attester tee.Attester
	// Endorsements are what its vendor publishes.
	Endorsements *tee.Endorsements
	// SelfContained says that the evidence brings what it needs with it and is
	// genuine without endorsements, too.
	SelfContained bool
	// Now is when its evidence is genuine.
	Now time.Time
}

// Conform holds a technology's verifier to the contracts of [tee.Verifier] and [tee.Reviewer]: what
// every one of them must do, whatever it verifies. Run it with -race, too.
func Conform(t *testing.T, c Conformance) {
	t.Helper()
	s := newSuite(t, c)
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"Genuine", s.genuine},
		{"Checks", s.checks},
		{"ForeignItems", s.foreignItems},
		{"NoEndorsements", s.noEndorsements},
		{"Times", s.times},
		{"Pure", s.pure},
		{"SharesNothing", s.sharesNothing},
		{"Concurrent", s.concurrent},
		{"Review", s.review},
		{"Truncations", s.truncations},
		{"Extensions", s.extensions},
		{"Flips", s.flips},
	} {
		t.Run(part.name, part.run)
	}
}

// suite is a technology with one genuine item of it.
type suite struct {
	Conformance
	kind     evidence.Kind
	verifier tee.Verifier
	binding  evidence.Binding
	item     evidence.Item
	want     tee.Outcome // of the item, by a verifier that remembers nothing
}

func newSuite(t *testing.T, c Conformance) *suite {
	t.Helper()
	s := &suite{Conformance: c, verifier: c.New(t)}
	s.kind = s.verifier.Kind()
	if kinds := c.Attester.Kinds(); !slices.Equal(kinds, []evidence.Kind{s.kind}) {
		t.Fatalf("the attester makes %v, the verifier reads %s", kinds, s.kind)
	}
	rand.Read(s.binding[:]) // never fails (crypto/rand)
	bundle, err := c.Attester.Attest(t.Context(), s.binding)
	if err != nil {
		t.Fatal(err)
	}
	s.item = bundle[0]
	s.want = s.verify(c.New(t), s.item)
	return s
}

func (s *suite) verify(v tee.Verifier, item evidence.Item) tee.Outcome {
	return v.Verify(item, s.Endorsements, tee.Params{Now: s.Now})
}

func (s *suite) genuine(t *testing.T) {
	claims := s.want.Claims
	switch {
	case !s.want.Genuine():
		t.Errorf("not genuine: failed %v, missing %v", s.want.Checks.Failed(), s.want.Missing)
	case claims.Kind != s.kind:
		t.Errorf("claims of kind %q", claims.Kind)
	case !claims.Simulated || claims.TrustAnchor == nil || claims.TrustAnchor.Origin != evidence.OriginSimulated:
		t.Errorf("not marked simulated: %+v", claims.TrustAnchor)
	case !bytes.Equal(s.want.ReportData, s.binding.ReportData(s.kind)):
		t.Errorf("report data %x", s.want.ReportData)
	case !s.want.ValidUntil.After(s.Now):
		t.Errorf("valid until %v", s.want.ValidUntil)
	}
	for kind, has := range map[evidence.Kind]bool{
		evidence.KindSEVSNP: claims.SEVSNP != nil, evidence.KindTDX: claims.TDX != nil, evidence.KindTPM: claims.TPM != nil,
	} {
		if has != (kind == s.kind) {
			t.Errorf("claims of %s: %v", kind, has)
		}
	}
}

// checks looks at the report of a genuine and of a refused item.
func (s *suite) checks(t *testing.T) {
	for _, out := range []tee.Outcome{s.want, s.verify(s.verifier, emptyItem(s.kind)), s.verifier.Verify(s.item, nil, tee.Params{Now: s.Now})} {
		if len(out.Checks) == 0 {
			t.Error("no checks at all")
		}
		for _, check := range out.Checks {
			switch {
			case check.Code.Description() == "":
				t.Errorf("%v: a code that is not registered", check)
			case check.Kind != "" && check.Kind != s.kind:
				t.Errorf("%v: of kind %s", check, check.Kind)
			case !slices.Contains([]evidence.Status{evidence.Pass, evidence.Fail, evidence.NotApplicable, evidence.NotPerformed}, check.Status):
				t.Errorf("%v: a verifier reports no such status", check)
			case !utf8.ValidString(check.Want + check.Got):
				t.Errorf("%v: not text", check)
			}
		}
	}
}

// foreignItems gives the verifier what it cannot read.
func (s *suite) foreignItems(t *testing.T) {
	items := []evidence.Item{nil, (*evidence.SNP)(nil), (*evidence.TDX)(nil), (*evidence.TPM)(nil)}
	for _, kind := range evidence.Kinds() {
		items = append(items, emptyItem(kind), Item(kind, make([]byte, 64)), Item(kind, bytes.Repeat([]byte{0xff}, evidence.MaxReport+1)))
	}
	for i, item := range items {
		if out := s.verify(s.verifier, item); out.Genuine() || len(out.Checks.Failed()) == 0 || len(out.Missing) > 0 {
			t.Errorf("item %d (%T): genuine %v, failed %v, missing %v", i, item, out.Genuine(), out.Checks.Failed(), out.Missing)
		}
	}
}

// noEndorsements holds an outcome without endorsements to be open or refused
// where some are needed, whatever the verifier remembers.
func (s *suite) noEndorsements(t *testing.T) {
	if s.SelfContained {
		t.Skip("the evidence brings what it needs with it")
	}
	s.verify(s.verifier, s.item)
	for name, e := range map[string]*tee.Endorsements{"nil": nil, "empty": {}} {
		out := s.verifier.Verify(s.item, e, tee.Params{Now: s.Now})
		if out.Genuine() || !out.Undecided() {
			t.Errorf("%s: genuine %v, failed %v, missing %v", name, out.Genuine(), out.Checks.Failed(), out.Missing)
		}
		for _, m := range out.Missing {
			if m.Type == "" || m.ID == "" {
				t.Errorf("%s: something missing has no name: %+v", name, m)
			}
		}
	}
}

// times judges at other times, with everything remembered.
func (s *suite) times(t *testing.T) {
	s.verify(s.verifier, s.item)
	for name, now := range map[string]time.Time{
		"no time": {}, "1970": time.Unix(0, 0), "long before": s.Now.AddDate(-50, 0, 0), "long after": s.Now.AddDate(100, 0, 0),
		"after its validity": s.want.ValidUntil.Add(time.Second),
	} {
		if out := s.verifier.Verify(s.item, s.Endorsements, tee.Params{Now: now}); out.Genuine() && !out.ValidUntil.After(now) {
			t.Errorf("%s: genuine, and valid until %v", name, out.ValidUntil)
		} else if out.Genuine() && name != "after its validity" {
			t.Errorf("%s: genuine", name)
		}
	}
}

// pure judges again and elsewhere, and looks at what went in.
func (s *suite) pure(t *testing.T) {
	item, endorsements := cloneItem(s.item), snapshot(s.Endorsements)
	for range 3 {
		if out := s.verify(s.verifier, s.item); !reflect.DeepEqual(out, s.want) {
			t.Fatalf("got  %+v\nwant %+v", out, s.want)
		}
	}
	if out := s.verify(s.New(t), item); !reflect.DeepEqual(out, s.want) {
		t.Errorf("by another verifier, of a copy: got  %+v\nwant %+v", out, s.want)
	}
	if !reflect.DeepEqual(s.item, item) {
		t.Error("the item was altered")
	}
	if !reflect.DeepEqual(snapshot(s.Endorsements), endorsements) {
		t.Error("the endorsements were altered")
	}
}

// sharesNothing alters an item after it was judged, and what an outcome holds.
func (s *suite) sharesNothing(t *testing.T) {
	v, item := s.New(t), cloneItem(s.item)
	out := s.verify(v, item)
	for _, p := range partsOf(item) {
		clear(p.value)
	}
	if !reflect.DeepEqual(out, s.want) {
		t.Error("the outcome changes with the item's bytes")
	}
	spoil(reflect.ValueOf(&out).Elem())
	out.Checks = append(out.Checks[:0], make(evidence.Checks, cap(out.Checks))...)
	if again := s.verify(v, s.item); !reflect.DeepEqual(again, s.want) {
		t.Errorf("the next outcome changes with the last one: got  %+v\nwant %+v", again, s.want)
	}
}

// review looks at the claims once more.
func (s *suite) review(t *testing.T) {
	Reviewed(t, s.New(t), s.want.Claims, s.Endorsements, tee.Params{Now: s.Now})
}

// concurrent judges good and bad items at once.
func (s *suite) concurrent(t *testing.T) {
	v := s.New(t)
	bad := s.with(0, func(b []byte) []byte { return b[:len(b)-1] })
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				if out := s.verify(v, s.item); !reflect.DeepEqual(out, s.want) {
					t.Errorf("got  %+v\nwant %+v", out, s.want)
				}
				if s.verify(v, bad).Genuine() {
					t.Error("a cut item is genuine")
				}
			}
		})
	}
	all.Wait()
}

// with returns a copy of the item, one part altered.
func (s *suite) with(part int, alter func([]byte) []byte) evidence.Item {
	item := cloneItem(s.item)
	p := partsOf(item)[part]
	p.set(alter(p.value))
	return item
}

// truncations cuts every part at every length.
func (s *suite) truncations(t *testing.T) {
	for i, p := range partsOf(s.item) {
		for n := range p.value {
			s.judgeAltered(t, p, fmt.Sprintf("%s cut to %d", p.name, n), n == 0,
				s.with(i, func(b []byte) []byte { return b[:n:n] }))
		}
	}
}

// extensions puts something behind every part.
func (s *suite) extensions(t *testing.T) {
	for i, p := range partsOf(s.item) {
		for _, tail := range [][]byte{{1}, {0, 1}, {0xff}, p.value, bytes.Repeat([]byte{0xff}, evidence.MaxReport)} {
			s.judgeAltered(t, p, fmt.Sprintf("%s with %d bytes behind it", p.name, len(tail)), false,
				s.with(i, func(b []byte) []byte { return append(b, tail...) }))
		}
	}
}

// flips flips one bit in every byte of every part. Most are refused; no flip that
// is not refused may show in what is found, unless as the absence of the part.
func (s *suite) flips(t *testing.T) {
	for i, p := range partsOf(s.item) {
		without := s.verify(s.verifier, s.with(i, func([]byte) []byte { return nil }))
		for n := range p.value {
			out := s.verify(s.verifier, s.with(i, func(b []byte) []byte { b[n] ^= 1 << (n % 8); return b }))
			if out.Genuine() && !sameFindings(out, s.want) && !(p.optional && without.Genuine() && sameFindings(out, without)) {
				t.Fatalf("byte %d of %s flipped: genuine, with other findings", n, p.name)
			}
		}
	}
}

// judgeAltered holds an altered item to be refused. Transport, which is not
// signed as such, may be left out or unused, but then it changes nothing.
func (s *suite) judgeAltered(t *testing.T, p part, what string, absent bool, item evidence.Item) {
	t.Helper()
	out := s.verify(s.verifier, item)
	switch {
	case !out.Genuine():
	case p.transport && sameFindings(out, s.want):
	case p.optional && absent:
	default:
		t.Fatalf("%s: genuine", what)
	}
}

// sameFindings reports whether two outcomes say the same of a machine.
func sameFindings(a, b tee.Outcome) bool {
	return reflect.DeepEqual(a.Claims, b.Claims) && bytes.Equal(a.ReportData, b.ReportData)
}
