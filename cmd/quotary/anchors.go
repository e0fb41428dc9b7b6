package main

import (
	"crypto/x509"

	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/sevsnp"
)

const trustHint = "--trust takes root certificates (DER or PEM): AMD's or Intel's shape for a test PKI, any CA for TPMs; give intermediates and CRLs with --endorsements"

// anchors are the roots that --trust names, each for the one technology that it
// belongs to: a test PKI's TEE root must not pass for a TPM's real one.
type anchors struct{ amd, intel, tpm []tee.Anchor }

func loadAnchors(paths list) (anchors, error) {
	if len(paths) == 0 {
		return anchors{}, nil
	}
	all, err := endorsements.LoadCertificates(paths...)
	if err != nil {
		return anchors{}, withHint(err, trustHint)
	}
	var a anchors
	for _, anchor := range all {
		cert, err := x509.ParseCertificate(anchor.DER)
		switch {
		case err != nil:
			return anchors{}, err
		case sevsnp.IsRoot(cert):
			a.amd = append(a.amd, anchor)
		case cert.Subject.CommonName == intelRootName:
			a.intel = append(a.intel, anchor)
		default:
			a.tpm = append(a.tpm, anchor)
		}
	}
	a.tpm = endorsements.AsConfigured(a.tpm)
	return a, nil
}

// intelRootName is the common name of every root of TDX evidence, Intel's or simulated.
const intelRootName = "Intel SGX Root CA"
