package sevsnp

import (
	"bytes"
	"testing"

	"github.com/quotary/quotary/evidence"
)

func TestUnverifiedUnclaimed(t *testing.T) {
	raw := make([]byte, reportSize)
	raw[offVersion], raw[offAlgorithm] = 2, 1
	raw[offSignature], raw[offSignature+scalarField] = 0xaa, 0xbb
	got, err := UnverifiedUnclaimed(raw)
	if err != nil {
		t.Fatal(err)
	}
	number := func(size int, last byte) []byte { return append(make([]byte, size-1), last) }
	if got.SignatureAlgorithm != 1 || !got.ChipIDMasked || !bytes.Equal(got.SignatureR, number(scalarSize, 0xaa)) || !bytes.Equal(got.SignatureS, number(scalarSize, 0xbb)) {
		t.Errorf("got %+v", got)
	}
	raw[offSignature+scalarField-1], raw[offChipID] = 0xcc, 1
	if got, err = UnverifiedUnclaimed(raw); err != nil || got.ChipIDMasked || len(got.SignatureR) != scalarField || got.SignatureR[0] != 0xcc {
		t.Errorf("got %+v: %v", got, err)
	}
	if _, err := UnverifiedUnclaimed(raw[:100]); evidence.CodeOf(err) != evidence.CodeSNPSize {
		t.Errorf("cut: %v", err)
	}
}
