package tdx

import (
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// revocations is a CRL whose signature was verified.
type revocations struct {
	number  *big.Int
	window  window
	serials map[string]struct{} // serial numbers, big-endian
}

func (r *revocations) revoked(cert *x509.Certificate) bool {
	_, found := r.serials[string(cert.SerialNumber.Bytes())]
	return found
}

// newer orders CRLs of one issuer.
func (r *revocations) newer(other *revocations) bool {
	if c := r.number.Cmp(other.number); c != 0 {
		return c > 0
	}
	return r.window.from.After(other.window.from)
}

// crlKey keys a verified CRL by the issuer's certificate and its own bytes.
type crlKey struct{ issuer, crl string }

// crl finds the newest genuine CRL of issuer, preferring one that is valid at
// now. If there is none, it records why under code and, where the CRL is simply
// not there, what is missing.
func (r *run) crl(issuer *x509.Certificate, code evidence.Code, missing tee.Missing) *revocations {
	candidates := limited(r.endorsements.CRLs(issuer.RawSubject))
	if len(candidates) == 0 {
		r.miss(missing)
		r.checks.NotPerformed(code, "a CRL of "+issuer.Subject.CommonName, "there is none")
		return nil
	}
	var best *revocations
	var reason string
	for _, candidate := range candidates {
		found, why := r.verifier.revocations(issuer, candidate, missing.Type)
		if found == nil {
			reason = why
		} else if best == nil || better(found.window, best.window, r.now, found.newer(best)) {
			best = found
		}
	}
	if best == nil {
		r.checks.Fail(code, "a CRL of "+issuer.Subject.CommonName, reason)
		return nil
	}
	r.checks.Pass(code, "issued "+stamp(best.window.from)+passedOver(reason))
	r.collateral = append(r.collateral, best.window)
	return best
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
	if known, ok := v.crls.get(crlKey{string(issuer.Raw), string(crl.Raw)}); ok {
		return known, ""
	}
	switch {
	case crl.SignatureAlgorithm != x509.ECDSAWithSHA256 || crl.CheckSignatureFrom(issuer) != nil:
		return nil, "not signed by " + issuer.Subject.CommonName
	case isPartial(crl):
		return nil, "it is partial, or has a critical extension"
	case crl.NextUpdate.IsZero():
		return nil, "it has no next update"
	}
	found := &revocations{
		number: orZero(crl.Number), window: window{name, crl.ThisUpdate, crl.NextUpdate},
		serials: make(map[string]struct{}, len(crl.RevokedCertificateEntries)),
	}
	for _, entry := range crl.RevokedCertificateEntries {
		found.serials[string(entry.SerialNumber.Bytes())] = struct{}{}
	}
	v.crls.put(crlKey{string(issuer.Raw), string(crl.Raw)}, found)
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

func orZero(n *big.Int) *big.Int {
	if n == nil {
		return new(big.Int)
	}
	return n
}

// limited bounds how many candidates of one name are tried.
func limited[T any](all []T) []T { return all[:min(len(all), maxCandidates)] }
