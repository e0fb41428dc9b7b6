package sevsnp

import (
	"crypto/sha256"
	"testing"

	"github.com/quotary/quotary/evidence"
)

// Remembered returns how many keys, issuers, chains and lists are remembered.
func (v *Verifier) Remembered() [4]int {
	return [4]int{v.keys.Len(), v.issuers.Len(), v.chains.Len(), v.crls.Len()}
}

// TestAttack_U02_Pins shows that an embedded root which is not the pinned one stops the build's use.
func TestAttack_U02_Pins(t *testing.T) {
	anchors, err := pinnedAnchors()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range anchors {
		if len(a.issuers) != 2 || a.origin != evidence.OriginPinned {
			t.Errorf("%s: %d issuers, origin %s", a.product.name, len(a.issuers), a.origin)
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
