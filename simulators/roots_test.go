package simulators_test

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/simulators"
)

// The same seed makes the same roots, byte for byte, whenever and wherever: somebody
// may have them in a file. A change of these digests changes every simulated world.
func TestGoldenRoots(t *testing.T) {
	want := []string{
		"9d57afa232029bad3996cd8291c3a5bb33a47378747d82f448a7a48a5f5da61e", // AMD, Milan
		"8a3cac166c5a14496b129e1d5281d232ba19615eeb99b48c68b88b322bb7c48a", // Intel
		"8e93cae8d1582d224d289ce751739d76d7a068c83b3df1b8090f7b146e1de282", // attestation keys of TPMs
		"41232e968c5a64b94c620a3f3b378c7c2983b3473b2e13adf80ec44189022370", // endorsement keys of TPMs
	}
	for _, now := range []time.Time{time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC), time.Date(2031, 12, 31, 23, 59, 59, 0, time.UTC)} {
		w, err := simulators.New("golden", now)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, anchor := range append(w.Anchors(), w.TPM.EKAnchor()) {
			sum := sha256.Sum256(anchor.DER)
			got = append(got, hex.EncodeToString(sum[:]))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", now, got)
		}
	}
}
