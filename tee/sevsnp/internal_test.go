package sevsnp

import (
	"crypto/sha256"
	"crypto/x509"
	"testing"
	"time"

	"github.com/google/go-sev-guest/verify/testdata"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

func TestLRU(t *testing.T) {
	l := newLRU[int](2)
	key := func(n byte) digest { return digest{n} }
	l.put(key(1), 1)
	l.put(key(2), 2)
	l.get(key(1))
	l.put(key(3), 3) // 2 was unused for longest
	if _, ok := l.get(key(2)); ok {
		t.Error("the oldest entry was kept")
	}
	if n, ok := l.get(key(1)); !ok || n != 1 || l.len() != 2 {
		t.Errorf("entry 1 is %d, %v, of %d", n, ok, l.len())
	}
	l.put(key(1), 10)
	if n, _ := l.get(key(1)); n != 10 || l.len() != 2 {
		t.Errorf("entry 1 is %d, of %d", n, l.len())
	}
}

// TestOnlyProofsAreRemembered shows that nothing unproven fills the memory.
func TestOnlyProofsAreRemembered(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	forger, err := simulator.NewVendor(simulator.VendorOptions{Seed: "forger", NotBefore: start})
	if err != nil {
		t.Fatal(err)
	}
	m, err := forger.NewMachine(simulator.MachineOptions{Name: "forged"})
	if err != nil {
		t.Fatal(err)
	}
	item, err := m.Item([64]byte{})
	if err != nil {
		t.Fatal(err)
	}
	e := &tee.Endorsements{}
	forger.Endorsements(e)
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	v.Verify(item, e, tee.Params{Now: start})
	if n := v.keys.len() + v.issuers.len() + v.chains.len() + v.crls.len(); n != 0 {
		t.Errorf("%d things without a proof are remembered", n)
	}
	cert, err := x509.ParseCertificate(testdata.VcekBytes)
	if err != nil {
		t.Fatal(err)
	}
	genuine := &evidence.SNP{Report: testdata.AttestationBytes, Certificates: [][]byte{cert.Raw}}
	for range 2 {
		v.Verify(genuine, e, tee.Params{Now: cert.NotBefore})
	}
	if v.keys.len() != 1 || v.issuers.len() != 1 || v.chains.len() != 1 {
		t.Errorf("%d keys, %d issuers, %d chains are remembered, want one of each", v.keys.len(), v.issuers.len(), v.chains.len())
	}
}

// TestPins shows that an embedded root which is not the pinned one stops the build's use.
func TestPins(t *testing.T) {
	anchors, err := pinnedAnchors()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range anchors {
		if len(a.issuers) != 2 || a.suffix != "" || a.origin != evidence.OriginPinned {
			t.Errorf("%s: %d issuers, suffix %q, origin %s", a.product.name, len(a.issuers), a.suffix, a.origin)
		}
		for _, issuer := range a.issuers {
			if err := signedBy(issuer, a.cert); err != nil {
				t.Error(err)
			}
		}
	}
	saved := pinned[0].sha256
	defer func() { pinned[0].sha256 = saved }()
	sum := sha256.Sum256([]byte("another root"))
	pinned[0].sha256 = digestText(sum)
	if _, err := New(); err == nil {
		t.Error("a root other than the pinned one is trusted")
	}
}

func digestText(sum [32]byte) string { return evidence.Hex(sum[:]).String() }
