package ca

import (
	"crypto/x509"
	"math/big"
	"net"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// IsSimulated reports whether a certificate of an [Authority] says that it rests
// on simulated evidence.
func IsSimulated(cert *x509.Certificate) bool {
	for _, organization := range cert.Subject.Organization {
		if organization == evidence.SimulatedOrganization {
			return true
		}
	}
	return false
}

// profile is everything that a leaf will say, decided before anything is encoded.
type profile struct {
	serial    *big.Int
	id        spiffeid.ID
	dnsNames  []string
	addresses []net.IP
	spki      []byte // of the key to certify
	notBefore time.Time
	notAfter  time.Time
	simulated bool
	result    []byte // the attestation result that it carries; nil if none
	list      string // where its issuer's revocation list is; empty if it does not say
	responder string // where its issuer's OCSP responder is; empty if it does not say
}

// workloadProfile decides what a certificate on result says. Everything comes
// from the result and from this file.
func (h *hierarchy) workloadProfile(result verifier.Result, now time.Time) (*profile, error) {
	key, ok := result.CertificateKey()
	if !ok {
		return nil, evidence.Errorf(evidence.CodeIssuingResult, "", "no certificate is issued on this result: it was not accepted, or its challenge was not for a certificate")
	}
	if err := checkAge(now, result.AppraisedAt()); err != nil {
		return nil, err
	}
	if h.reserved[string(key.SPKI())] {
		return nil, evidence.Errorf(evidence.CodeIssuingKey, "public_key", "this is a key of the service itself")
	}
	identity := result.Identity()
	id, err := h.workloadID(identity.SPIFFEID)
	if err != nil {
		return nil, err
	}
	if err := checkDNSNames(identity.DNSNames); err != nil {
		return nil, err
	}
	addresses, err := checkAddresses(identity.IPAddresses)
	if err != nil {
		return nil, err
	}
	notBefore, notAfter, err := validity(h.issuing, now, h.lifetime(identity.TTL), result.ValidUntil())
	if err != nil {
		return nil, err
	}
	p := &profile{
		serial: h.newSerial(), id: id, dnsNames: identity.DNSNames, addresses: addresses,
		spki: key.SPKI(), notBefore: notBefore, notAfter: notAfter, simulated: result.Simulated(),
		list: h.listURL(), responder: h.responder,
	}
	if h.attest != nil {
		if p.result, err = h.attest(result); err != nil {
			return nil, err
		}
		if n := len(p.result); n == 0 || n > maxAttestationResult {
			return nil, refuseLint("the attestation result for it has %d bytes, and may have 1 to %d", n, maxAttestationResult)
		}
	}
	return p, nil
}

// lifetime bounds what a policy asks for.
func (r *realm) lifetime(asked time.Duration) time.Duration {
	if asked <= 0 {
		return min(defaultTTL, r.maxTTL)
	}
	return min(asked, r.maxTTL)
}

// validity is that of a certificate under issuer. It is backdated, but not to
// before the issuer. It ends at the earliest of: the end of ttl, the end of what the
// certificate rests on (zero means unbounded), the end of the issuer.
func validity(issuer *x509.Certificate, now time.Time, ttl time.Duration, validUntil time.Time) (from, until time.Time, err error) {
	from, until = now.Add(-backdate).Truncate(time.Second), now.Add(ttl)
	if from.Before(issuer.NotBefore) {
		from = issuer.NotBefore
	}
	for _, bound := range []time.Time{validUntil, issuer.NotAfter} {
		if !bound.IsZero() && bound.Before(until) {
			until = bound
		}
	}
	until = until.Truncate(time.Second)
	if until.Sub(now.Truncate(time.Second)) < minTTL { // what was asked for is enough, if it is that
		return from, until, evidence.Errorf(evidence.CodeIssuingValidity, "",
			"a certificate could last only until %s, less than %s from now", until.UTC().Format(time.RFC3339), minTTL)
	}
	if now.Before(issuer.NotBefore) {
		return from, until, evidence.Errorf(evidence.CodeIssuingValidity, "", "the issuing CA is not valid yet; is the clock right?")
	}
	return from, until, nil
}

// checkAge refuses to issue on an appraisal that is not of now.
func checkAge(now, appraised time.Time) error {
	if age := now.Sub(appraised); age > maxResultAge || age < -maxResultAge {
		return evidence.Errorf(evidence.CodeIssuingResult, "", "the result is %s old; certificates are issued within %s of the appraisal", age, maxResultAge)
	}
	return nil
}
