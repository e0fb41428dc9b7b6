package store

import (
	"crypto/sha256"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// ImportReport says what became of endorsements that were handed in.
type ImportReport struct {
	Added []tee.EndorsementName // in force now
	Held  int                   // were there already, or are as new as what is
	Kept  []tee.EndorsementName // older issues that are kept for what they revoked or signed
	// Refused are authentic, but older than what was seen before, or without room.
	Refused []Refused
	// Unknown counts what no vendor's endorser admits: not authentic, no
	// endorsement of a vendor that is configured, or a root.
	Unknown int
}

// Refused is an authentic endorsement that was not taken.
type Refused struct {
	Name tee.EndorsementName
	Err  error
}

// Import takes in what is authentic of endorsements from anywhere: an offline
// bundle, files, evidence. Nothing of what is held is displaced by anything but an
// authentic newer issue.
func (s *Store) Import(found *tee.Endorsements) (ImportReport, error) {
	if found.Len() > maxImport {
		return ImportReport{}, evidence.Errorf(evidence.CodeEndorsementTooLarge, "", "%d endorsements; at most %d at once", found.Len(), maxImport)
	}
	fresh := s.unknown(found)
	report := ImportReport{Held: found.Len() - fresh.Len()}
	if fresh.Len() == 0 {
		return report, nil
	}
	admitted := map[digest]struct{}{}
	for _, v := range s.vendors {
		entries, err := s.admit(v, fresh)
		if err != nil {
			return report, evidence.Errorf(evidence.CodeEndorsementNotAuthentic, "", "%w", err)
		}
		slices.SortStableFunc(entries, func(a, b *entry) int { return b.compare(a) }) // the newest first
		for _, e := range entries {
			admitted[e.digest] = struct{}{}
		}
		outcomes := s.take(entries, s.accept)
		s.announce(outcomes)
		report.add(entries, outcomes)
	}
	s.persist(true)
	report.Unknown = fresh.Len() - len(admitted)
	return report, nil
}

func (r *ImportReport) add(entries []*entry, outcomes []outcome) {
	for i, o := range outcomes {
		switch name := entries[i].Provides[0]; {
		case o.kept:
			r.Kept = append(r.Kept, name)
		case o.err != nil:
			r.Refused = append(r.Refused, Refused{name, o.err})
		case o.changed:
			r.Added = append(r.Added, name)
		default:
			r.Held++
		}
	}
}

// unknown returns what of found the store does not hold, byte for byte.
func (s *Store) unknown(found *tee.Endorsements) *tee.Endorsements {
	certificates, lists, documents := found.Certificates(), found.RevocationLists(), found.AllDocuments()
	fresh := &tee.Endorsements{}
	s.mu.Lock()
	defer s.mu.Unlock()
	holds := func(raw []byte) bool { return s.table.byDigest[sha256.Sum256(raw)] != nil }
	for _, cert := range certificates {
		if !holds(cert.Raw) {
			fresh.AddCertificate(cert)
		}
	}
	for _, list := range lists {
		if !holds(list.Raw) {
			fresh.AddCRL(list)
		}
	}
	for _, d := range documents {
		if !holds(d.Raw) {
			fresh.AddDocument(d)
		}
	}
	return fresh
}
