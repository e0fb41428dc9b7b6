package tdx

import (
	"bytes"
	"crypto/x509"
	"reflect"
	"testing"

	"github.com/quotary/quotary/tee"
)

// TestAttack_T01_CollateralFlips flips one bit of every byte of every document,
// CRL and certificate that a verdict rests on. What is not noticed, because it
// belongs to no signature (white space, an unused certificate), changes nothing.
func TestAttack_T01_CollateralFlips(t *testing.T) {
	s := newScene(t)
	want := s.genuine()
	requireGenuine(t, want)
	judge := func(what string, at int) {
		t.Helper()
		if out := s.genuine(); out.Genuine() && (!reflect.DeepEqual(out.Claims, want.Claims) || !out.ValidUntil.Equal(want.ValidUntil)) {
			t.Fatalf("byte %d of %s flipped: genuine, with other findings", at, what)
		}
	}
	flipped := func(raw []byte, at int) []byte {
		mutant := bytes.Clone(raw)
		mutant[at] ^= 1 << (at % 8)
		return mutant
	}
	for i, genuine := range s.collateral.Documents {
		for at := range genuine.Raw {
			s.collateral.Documents[i] = tee.Document{Type: genuine.Type, Key: genuine.Key, Raw: flipped(genuine.Raw, at)}
			judge(string(genuine.Type), at)
		}
		s.collateral.Documents[i] = genuine
	}
	for i, genuine := range s.collateral.CRLs {
		for at := range genuine.Raw {
			if crl, err := x509.ParseRevocationList(flipped(genuine.Raw, at)); err == nil {
				s.collateral.CRLs[i] = crl
				judge("a CRL of "+genuine.Issuer.CommonName, at)
			}
		}
		s.collateral.CRLs[i] = genuine
	}
	for i, genuine := range s.collateral.Certificates {
		for at := range genuine.Raw {
			if cert, err := x509.ParseCertificate(flipped(genuine.Raw, at)); err == nil {
				s.collateral.Certificates[i] = cert
				judge(genuine.Subject.CommonName, at)
			}
		}
		s.collateral.Certificates[i] = genuine
	}
}
