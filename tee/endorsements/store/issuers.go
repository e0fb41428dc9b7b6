package store

import (
	"context"
	"crypto/x509"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// admitAfterRotation admits an answer, if need be after a look at whether the
// vendor's issuers were renewed: the certificate of a key that a new issuer signed
// is not authentic to who knows the old one only.
func (s *Store) admitAfterRotation(ctx context.Context, f *flight, found *tee.Endorsements) error {
	err := s.admitAnswer(f.target, found)
	if evidence.CodeOf(err) != evidence.CodeEndorsementNotAuthentic || !slices.ContainsFunc(found.Certificates(), isLeaf) {
		return err
	}
	looked := false
	for _, name := range s.issuersToRenew(f) {
		p := s.launchOne(name, nil, true)
		if p.flight != nil && !slices.Contains(p.flight.earlier, f) {
			_, _ = p.wait(ctx) // what came of it shows in the next line but one
			looked = true
		}
	}
	if looked {
		err = s.admitAnswer(f.target, found)
	}
	return err
}

func isLeaf(cert *x509.Certificate) bool { return !cert.IsCA }

// issuersToRenew names the issuers of a flight's vendor that nobody looked at
// lately; none if the flight is for one itself.
func (s *Store) issuersToRenew(f *flight) []tee.EndorsementName {
	var names []tee.EndorsementName
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.table.few {
		if e.vendor != f.vendor || e.Certificate == nil || isLeaf(e.Certificate) || !e.fetchable || len(e.names) == 0 {
			continue
		}
		if e.source == f.name {
			return nil
		}
		if time.Since(e.checked) > issuersEvery {
			names = append(names, e.source)
		}
	}
	return names
}
