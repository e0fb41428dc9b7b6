package sevsnp

import (
	"bytes"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// Unclaimed is what a report holds beside what [evidence.SNPClaims] have of it
// (SEV-SNP ABI 56860, table 23): its signature, and what stands for a name that the
// host hides.
type Unclaimed struct {
	SignatureAlgorithm uint32       `json:"signature_algo"` // 1: ECDSA P-384 with SHA-384
	SignatureR         evidence.Hex `json:"signature_r"`    // 48 bytes, big-endian; 72 if the number has more than 384 bits
	SignatureS         evidence.Hex `json:"signature_s"`
	ChipIDMasked       bool         `json:"chip_id_masked"` // MASK_CHIP_ID: CHIP_ID is zero
}

// UnverifiedUnclaimed decodes that of a report. SAFETY: nothing in it was checked;
// it is for display only. The error is that of [Verifier.UnverifiedClaims].
func UnverifiedUnclaimed(report []byte) (Unclaimed, error) {
	r, err := decode(report)
	if err != nil {
		return Unclaimed{}, err
	}
	field := r.raw[offSignature:]
	return Unclaimed{
		SignatureAlgorithm: r.algorithm,
		SignatureR:         readable(field[:scalarField]),
		SignatureS:         readable(field[scalarField : 2*scalarField]),
		ChipIDMasked:       r.chipMasked(),
	}, nil
}

// readable turns a scalar's field into the number as people write it.
func readable(field []byte) evidence.Hex {
	number := bytes.Clone(field)
	if isZero(number[scalarSize:]) {
		number = number[:scalarSize]
	}
	slices.Reverse(number)
	return number
}
