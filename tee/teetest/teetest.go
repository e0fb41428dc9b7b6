// Package teetest is a technology for tests of what stands above technologies.
// Its evidence is report data and nothing else, and its verifier finds whatever
// the test wants found. It proves nothing and is for tests only.
//
// Start at [Item] and [Technology].
package teetest

import (
	"context"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Item returns evidence of a kind whose only content is reportData.
func Item(kind evidence.Kind, reportData []byte) evidence.Item {
	switch kind {
	case evidence.KindSEVSNP:
		return &evidence.SNP{Report: reportData}
	case evidence.KindTDX:
		return &evidence.TDX{Quote: reportData}
	case evidence.KindTPM:
		return &evidence.TPM{Attest: reportData}
	default:
		panic("teetest: no item of kind " + string(kind))
	}
}

// ReportData returns what [Item] put in.
func ReportData(item evidence.Item) []byte {
	switch item := item.(type) {
	case *evidence.SNP:
		return item.Report
	case *evidence.TDX:
		return item.Quote
	case *evidence.TPM:
		return item.Attest
	default:
		panic("teetest: an item of an unknown type")
	}
}

// Bound returns what evidence of each kind carries for a binding in a bundle of
// these kinds: beside a TPM, whose attestation key is that of [Claims], the report
// of a TEE covers the key.
func Bound(binding evidence.Binding, kinds []evidence.Kind) func(evidence.Kind) []byte {
	return func(kind evidence.Kind) []byte {
		if kind != evidence.KindTPM && slices.Contains(kinds, evidence.KindTPM) {
			return binding.Covering(evidence.Digest(Claims(evidence.KindTPM).TPM.AKSHA256)).ReportData(kind)
		}
		return binding.ReportData(kind)
	}
}

// Genuine returns the outcome of evidence in which nothing is wrong.
func Genuine(claims evidence.Claims, reportData []byte) tee.Outcome {
	o := tee.Outcome{Claims: claims, ReportData: reportData}
	o.Checks.Pass(evidence.CodeEvidenceMalformed, "decoded")
	return o
}

// Technology is a tee.Verifier of one kind.
type Technology struct {
	// Of is the kind. Claims are found in all evidence of it.
	Of     evidence.Kind
	Claims evidence.Claims
	// Judge, if set, gives the outcome in place of [Genuine].
	Judge func(item evidence.Item, e *tee.Endorsements, p tee.Params) tee.Outcome
}

// Kind implements tee.Verifier.
func (t *Technology) Kind() evidence.Kind { return t.Of }

// Verify implements tee.Verifier.
func (t *Technology) Verify(item evidence.Item, e *tee.Endorsements, p tee.Params) tee.Outcome {
	if t.Judge != nil {
		return t.Judge(item, e, p)
	}
	return Genuine(t.Claims, ReportData(item))
}

// Attester is a tee.Attester for machines of these kinds.
type Attester []evidence.Kind

// Kinds implements tee.Attester.
func (a Attester) Kinds() []evidence.Kind { return a }

// Attest implements tee.Attester.
func (a Attester) Attest(_ context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	items := make([]evidence.Item, len(a))
	for i, kind := range a {
		items[i] = Item(kind, binding.ReportData(kind))
	}
	return evidence.NewBundle(items...)
}
