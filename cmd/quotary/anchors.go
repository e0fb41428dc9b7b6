package main

import (
	"github.com/quotary/quotary/internal/anchors"
	"github.com/quotary/quotary/tee/endorsements"
)

const trustHint = "--trust takes root certificates (DER or PEM): AMD's or Intel's shape for a test PKI, any CA for TPMs; give intermediates and CRLs with --endorsements"

// loadAnchors reads what --trust names. TPM roots named there are real ones,
// since no TPM root is pinned, unless they say that they are simulated.
func loadAnchors(paths list) (anchors.Set, error) {
	set, err := anchors.Load(paths...)
	if err != nil {
		return anchors.Set{}, withHint(err, trustHint)
	}
	set.TPM = endorsements.AsConfigured(set.TPM)
	return set, nil
}
