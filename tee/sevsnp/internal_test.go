package sevsnp

import (
	"crypto/sha256"
	"testing"

	"github.com/quotary/quotary/evidence"
)

// Remembered returns how many keys, issuers, chains and lists are remembered.
func (v *Verifier) Remembered() [4]int {
	return [4]int{v.keys.len(), v.issuers.len(), v.chains.len(), v.crls.len()}
}

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
	pinned[0].sha256 = evidence.Hex(sum[:]).String()
	if _, err := New(); err == nil {
		t.Error("a root other than the pinned one is trusted")
	}
}

func (l *lru[V]) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.order.Len()
}
