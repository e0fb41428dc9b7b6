package store_test

import (
	"path/filepath"
	"testing"

	"github.com/quotary/quotary/evidence"
)

func TestStatusOfCertificates(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "quotary.db"))
	records(t, s, issued(1), issued(2))
	revokes(t, s, 2)
	issuedIt, at, err := s.CertificateStatus(t.Context(), issued(1).Issuance.Serial)
	if !issuedIt || !at.IsZero() || err != nil {
		t.Errorf("issued %v, revoked %s, %v", issuedIt, at, err)
	}
	issuedIt, at, err = s.CertificateStatus(t.Context(), issued(2).Issuance.Serial)
	if !issuedIt || !at.Equal(now) || err != nil {
		t.Errorf("issued %v, revoked %s, %v", issuedIt, at, err)
	}
	for _, serial := range []string{issued(3).Issuance.Serial, ""} {
		if issuedIt, at, err = s.CertificateStatus(t.Context(), serial); issuedIt || !at.IsZero() || err != nil {
			t.Errorf("%q: issued %v, revoked %s, %v", serial, issuedIt, at, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CertificateStatus(t.Context(), "00"); evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
		t.Errorf("closed: %v", err)
	}
}
