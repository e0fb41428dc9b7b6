package verifier

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// expectation says which caller's data evidence of a kind must carry. Nil means
// that nobody expects anything: freshness is then not judged.
type expectation struct {
	want  string
	holds func(kind evidence.Kind, got []byte) bool
	// covering expects what the report of a TEE carries beside the quote of a TPM with
	// this attestation key. It is nil where the caller's data is no binding.
	covering func(ak evidence.Digest) *expectation
}

// ofBinding expects what the binding puts into evidence of each kind.
func ofBinding(binding evidence.Binding) *expectation {
	return &expectation{
		want: "the binding of this challenge, key, audience and bundle",
		holds: func(kind evidence.Kind, got []byte) bool {
			return subtle.ConstantTimeCompare(binding.ReportData(kind), got) == 1
		},
		covering: func(ak evidence.Digest) *expectation {
			e := ofBinding(binding.Covering(ak))
			e.want += ", covering the attestation key of the TPM"
			return e
		},
	}
}

// ofCaller expects the caller's own data: exactly these bytes, or, in a TPM
// quote, whose qualifying data is short, the SHA-256 of 64 of them.
func ofCaller(data []byte) *expectation {
	if data == nil {
		return nil
	}
	e := &expectation{want: evidence.Hex(data).String(), holds: func(kind evidence.Kind, got []byte) bool {
		equal := subtle.ConstantTimeCompare(data, got)
		if kind == evidence.KindTPM && len(data) == len(evidence.Binding{}) {
			sum := sha256.Sum256(data)
			equal |= subtle.ConstantTimeCompare(sum[:], got)
		}
		return equal == 1
	}}
	if len(data) == len(evidence.Binding{}) {
		e.covering = ofBinding(evidence.Binding(data)).covering
	}
	return e
}

// compare adds the check of the binding, over all bytes and in constant time, and
// reports whether it holds.
func compare(outcome *tee.Outcome, kind evidence.Kind, expected *expectation) bool {
	switch {
	case outcome.ReportData == nil:
		outcome.Checks.NotPerformed(evidence.CodeBinding, "", "the evidence could not be decoded")
	case expected == nil:
		outcome.Checks.NotPerformed(evidence.CodeBinding, "", "no report data to compare with was given, so freshness is not judged")
	case expected.holds(kind, outcome.ReportData):
		outcome.Checks.Pass(evidence.CodeBinding, fmt.Sprintf("%d bytes equal", len(outcome.ReportData)))
		return true
	default:
		outcome.Checks.Fail(evidence.CodeBinding, expected.want, evidence.Hex(outcome.ReportData).String())
	}
	return false
}
