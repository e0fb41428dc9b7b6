// Package anchors reads further trust anchors, those of simulators and test PKIs,
// and gives each to the one technology that it belongs to: a test PKI's TEE root
// must not pass for the root of real TPMs.
//
// Start at [Load].
package anchors

import (
	"crypto/x509"

	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/tdx"
)

// Set is a set of anchors by technology. All have evidence.OriginSimulated.
type Set struct{ SEVSNP, TDX, TPM []tee.Anchor }

// Load reads root certificates from files, directories and archives. What has
// neither AMD's nor Intel's shape is a TPM root. The error is an
// *evidence.Error; no paths make an empty Set.
func Load(paths ...string) (Set, error) {
	var s Set
	if len(paths) == 0 {
		return s, nil
	}
	all, err := endorsements.LoadCertificates(paths...)
	if err != nil {
		return s, err
	}
	for _, anchor := range all {
		cert, err := x509.ParseCertificate(anchor.DER)
		switch {
		case err != nil:
			return Set{}, err
		case sevsnp.IsRoot(cert):
			s.SEVSNP = append(s.SEVSNP, anchor)
		case tdx.IsRoot(cert):
			s.TDX = append(s.TDX, anchor)
		default:
			s.TPM = append(s.TPM, anchor)
		}
	}
	return s, nil
}
