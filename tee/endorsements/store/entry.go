package store

import (
	"bytes"
	"cmp"
	"container/list"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"time"

	"github.com/quotary/quotary/tee"
)

type digest [sha256.Size]byte

// entry is one endorsement that was admitted.
type entry struct {
	tee.Endorsed
	vendor *vendor
	digest digest
	// source is the name that it is fetched by; fetchable says if there is one.
	source    tee.EndorsementName
	fetchable bool

	// What follows is guarded by Store.mu.

	names   []tee.EndorsementName // those of Provides that it answers to; none if it was superseded
	fetched time.Time             // when it came, by the clock of validity
	seen    time.Time             // when it was last found to be current, likewise
	checked time.Time             // the same by the monotonic clock
	jitter  float64               // of the interval to the next look
	use     *list.Element         // of a key certificate, in the order of use
	gone    bool                  // no longer in the table
}

func (s *Store) newEntry(d tee.Endorsed, v *vendor) *entry {
	e := &entry{Endorsed: d, vendor: v}
	e.digest = sha256.Sum256(e.raw())
	for _, name := range d.Provides {
		if _, err := s.locate(name); err == nil {
			e.source, e.fetchable = name, true
			break
		}
	}
	return e
}

// isWellFormed holds for what an Endorser may return.
func isWellFormed(d tee.Endorsed) bool {
	set := 0
	for _, is := range []bool{d.Certificate != nil, d.CRL != nil, d.Document != nil} {
		if is {
			set++
		}
	}
	return set == 1 && len(d.Provides) > 0
}

// raw is the content, exactly as it was signed.
func (e *entry) raw() []byte {
	switch {
	case e.Certificate != nil:
		return e.Certificate.Raw
	case e.CRL != nil:
		return e.CRL.Raw
	}
	return e.Document.Raw
}

// slot is where an entry is in force under a name.
func (e *entry) slot(name tee.EndorsementName) slot { return slot{name, e.Simulated} }

func (e *entry) size() int64 { return int64(len(e.raw())) }

// isKey reports whether this is the certificate of one machine's key: there may
// be very many, and the vendor hands it out again.
func (e *entry) isKey() bool {
	return e.Certificate != nil && !e.Certificate.IsCA && e.fetchable
}

// isCounted reports whether older issues are refused even if this one is lost:
// lists and documents withdraw what earlier ones said, certificates do not.
func (e *entry) isCounted() bool { return e.Certificate == nil }

// isExpired reports whether the signer's end has come; there may be none.
func (e *entry) isExpired(now time.Time) bool { return !e.Expires.IsZero() && now.After(e.Expires) }

// compare orders two issues of one name: by the vendor's count, then by dates.
func (e *entry) compare(other *entry) int {
	return cmp.Or(e.against(floor{other.Sequence, other.Issued}), e.Expires.Compare(other.Expires))
}

// floor is the newest issue of a name that was ever seen.
type floor struct {
	sequence uint64
	issued   time.Time
}

// against compares an entry with a floor.
func (e *entry) against(f floor) int {
	return cmp.Or(cmp.Compare(e.Sequence, f.sequence), e.Issued.Compare(f.issued))
}

// raise returns the higher of two floors.
func (f floor) raise(other floor) floor {
	if cmp.Or(cmp.Compare(f.sequence, other.sequence), f.issued.Compare(other.issued)) < 0 {
		return other
	}
	return f
}

// addsTo reports whether an older issue says what none of the others does.
func (e *entry) addsTo(others []*entry) bool {
	switch {
	case e.CRL != nil:
		return e.revokesMoreThan(others)
	case e.Certificate != nil && e.Certificate.IsCA:
		return !slices.ContainsFunc(others, func(other *entry) bool {
			return other.Certificate != nil && bytes.Equal(other.Certificate.RawSubjectPublicKeyInfo, e.Certificate.RawSubjectPublicKeyInfo)
		})
	}
	return false
}

// revokesMoreThan reports whether a list names a serial that none of the others does.
func (e *entry) revokesMoreThan(others []*entry) bool {
	listed := map[string]struct{}{}
	for _, other := range others {
		if other.CRL == nil || !bytes.Equal(other.CRL.RawIssuer, e.CRL.RawIssuer) {
			continue
		}
		for _, r := range other.CRL.RevokedCertificateEntries {
			listed[string(r.SerialNumber.Bytes())] = struct{}{}
		}
	}
	return slices.ContainsFunc(e.CRL.RevokedCertificateEntries, func(r x509.RevocationListEntry) bool {
		_, known := listed[string(r.SerialNumber.Bytes())]
		return !known
	})
}
