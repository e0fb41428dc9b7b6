package tdx

import (
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// revocations is a CRL whose signature was verified.
type revocations struct {
	number  *big.Int // nil where it has none
	window  window
	serials map[string]struct{} // serial numbers, big-endian
}

func (r *revocations) revoked(serial *big.Int) bool {
	_, found := r.serials[string(serial.Bytes())]
	return found
}

// newer orders CRLs of one issuer: by number where both have one and they
// differ, or else by date.
func (r *revocations) newer(other *revocations) bool {
	if r.number != nil && other.number != nil {
		if c := r.number.Cmp(other.number); c != 0 {
			return c > 0
		}
	}
	return r.window.from.After(other.window.from)
}

// revocationLists are the genuine CRLs of one issuer whose time has come. A
// certificate that any of them lists is revoked for good, however old the list
// and whatever a newer one leaves out.
type revocationLists []*revocations

func (l revocationLists) revoked(serial *big.Int) bool {
	return slices.ContainsFunc(l, func(r *revocations) bool { return r.revoked(serial) })
}

// judge returns false if one of the serial numbers is listed.
func (l revocationLists) judge(checks *evidence.Checks, code evidence.Code, serials ...*big.Int) bool {
	if len(l) == 0 || len(serials) == 0 {
		checks.NotPerformed(code, "not revoked", "there is no CRL, or no certificate")
		return true
	}
	for _, serial := range serials {
		if l.revoked(serial) {
			checks.Fail(code, "not revoked", "serial number "+serial.Text(16)+" is revoked")
			return false
		}
	}
	checks.Pass(code, "not revoked")
	return true
}

// crlKey keys a verified CRL by the issuer's certificate and its own bytes.
type crlKey struct{ issuer, crl string }

// crl finds the genuine CRLs of issuer, and records the newest, preferring one
// that is valid at now: it says until when absence from the lists counts. If
// there is none, it records why under code, and that it is missing.
func (r *run) crl(issuer *x509.Certificate, code evidence.Code, missing tee.EndorsementName) revocationLists {
	candidates := latest(r.endorsements.CRLs(issuer.RawSubject))
	if len(candidates) == 0 {
		r.wanted.miss(missing)
		r.checks.NotPerformed(code, "a CRL of "+issuer.Subject.CommonName, "there is none")
		return nil
	}
	var lists revocationLists
	var best *revocations
	var reason string
	for _, candidate := range candidates {
		found, why := r.verifier.revocations(issuer, candidate, missing.Type)
		if found == nil {
			reason = why
			continue
		}
		if !found.window.from.After(r.now) {
			lists = append(lists, found)
		}
		if best == nil || better(found.window, best.window, r.now, found.newer(best)) {
			best = found
		}
	}
	if best == nil {
		r.checks.Fail(code, "a CRL of "+issuer.Subject.CommonName, reason)
		r.wanted.mend(code, missing)
		return nil
	}
	r.checks.Pass(code, "issued "+stamp(best.window.from)+passedOver(reason))
	used := best.window
	used.source = missing
	r.collateral = append(r.collateral, used)
	return lists
}

// latest bounds how many CRLs are tried, to those issued last: whatever else is
// in the heap, an older list is never tried in place of a newer one.
func latest(all []*x509.RevocationList) []*x509.RevocationList {
	if len(all) <= maxCandidates {
		return all
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b *x509.RevocationList) int { return b.ThisUpdate.Compare(a.ThisUpdate) })
	return sorted[:maxCandidates]
}

// better prefers what is valid now, and among equals what is newer.
func better(found, best window, now time.Time, newer bool) bool {
	if f, b := found.contains(now), best.contains(now); f != b {
		return f
	}
	return newer
}

// revocations verifies one CRL, or remembers that it did. It returns nil and
// the reason if the CRL is not genuine.
func (v *Verifier) revocations(issuer *x509.Certificate, crl *x509.RevocationList, name string) (*revocations, string) {
	id := crlKey{string(issuer.Raw), string(crl.Raw)}
	if known, ok := v.crls.Get(id); ok {
		return known, ""
	}
	if crl.SignatureAlgorithm != x509.ECDSAWithSHA256 || crl.CheckSignatureFrom(issuer) != nil {
		return nil, "not signed by " + issuer.Subject.CommonName
	}
	found, reason := readRevocations(crl, name)
	if found != nil {
		v.crls.Put(id, found)
	}
	return found, reason
}

// readRevocations reads a CRL that says for all of its issuer's certificates, and
// until when, which are revoked. It returns nil and the reason for any other.
func readRevocations(crl *x509.RevocationList, name string) (*revocations, string) {
	switch {
	case isPartial(crl):
		return nil, "it is partial, or has a critical extension"
	case crl.NextUpdate.IsZero():
		return nil, "it has no next update"
	}
	found := &revocations{
		number: crl.Number, window: window{name: name, from: crl.ThisUpdate, to: crl.NextUpdate},
		serials: make(map[string]struct{}, len(crl.RevokedCertificateEntries)),
	}
	for _, entry := range crl.RevokedCertificateEntries {
		found.serials[string(entry.SerialNumber.Bytes())] = struct{}{}
	}
	return found, ""
}

// oidIssuingDistributionPoint and oidDeltaCRL limit what a CRL covers.
var (
	oidIssuingDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidDeltaCRL                 = asn1.ObjectIdentifier{2, 5, 29, 27}
)

// isPartial reports whether a CRL has an extension that must be
// understood: a partial or delta CRL does not say who is not revoked.
func isPartial(crl *x509.RevocationList) bool {
	for _, ext := range crl.Extensions {
		if ext.Critical || ext.Id.Equal(oidIssuingDistributionPoint) || ext.Id.Equal(oidDeltaCRL) {
			return true
		}
	}
	return false
}

// limited bounds how many certificates of one name are tried.
func limited(all []*x509.Certificate) []*x509.Certificate { return all[:min(len(all), maxCandidates)] }
