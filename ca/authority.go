// Package ca turns an accepted [verifier.Result] into an X.509 certificate: a
// SPIFFE X509-SVID of short life. An [Authority] keeps a root, which relying
// parties trust, and an issuing CA, which signs leaves and is constrained to its
// trust domain. Both live in files under one folder, are made at the first start
// and reopened afterwards.
//
// A certificate is built from the result and a fixed profile alone: the attested
// key, the identity that policy grants, a short validity. Nothing that a
// requester says gets into it. Every certificate is parsed and judged before it is
// signed, byte for byte, signed once, and verified before it is released.
//
// An [AttestationAuthority] keeps CAs of another kind, which certify attestation
// keys of TPMs that were enrolled ([verifier.Enrolment]), for this service's own use.
//
// Start at [Open] and [Authority.Issue].
package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"net/netip"
	"os"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Config says where an authority lives and what it stands for.
type Config struct {
	// Dir holds root.key, root.crt, issuing.key and issuing.crt. It is made, mode
	// 0700, if it does not exist. Who can write to it can become the authority;
	// who can read root.key or issuing.key as well.
	Dir string
	// TrustDomain is the SPIFFE trust domain, such as "example.org".
	TrustDomain string
	// Reserved are the service's keys in other roles (the key that signs tokens):
	// none may be a CA's key, and none is ever certified for a workload.
	Reserved []crypto.PublicKey
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Authority issues certificates. It is immutable and safe for concurrent use.
type Authority struct {
	trustDomain spiffeid.TrustDomain
	service     spiffeid.ID
	root        *x509.Certificate
	issuing     *x509.Certificate
	key         *ecdsa.PrivateKey // of the issuing CA; the root's is not kept in memory
	reserved    map[string]bool   // SPKIs that are never certified
	created     bool
	now         func() time.Time
}

// Open returns the authority in c.Dir, and makes what is not there yet. The root's
// key is needed only to make an issuing CA: it may be kept elsewhere while there
// is a good one. To replace an issuing CA that comes to its end, move
// issuing.key and issuing.crt away: the next Open makes new ones under the same root.
//
// It refuses, with an *evidence.Error, keys that others can read, certificates
// that do not fit their key, each other, the profile or the trust domain, and CAs
// that are expired or about to be.
func Open(c Config) (*Authority, error) {
	a := &Authority{now: c.Now, reserved: map[string]bool{}}
	if a.now == nil {
		a.now = time.Now
	}
	var err error
	if a.trustDomain, err = parseTrustDomain(c.TrustDomain); err != nil {
		return nil, err
	}
	if a.service, err = spiffeid.FromPath(a.trustDomain, servicePath); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := a.openHierarchy(c.Dir); err != nil {
		return nil, err
	}
	return a, a.reserve(c.Reserved)
}

// reserve notes the keys that are never certified, and that each has one role.
func (a *Authority) reserve(others []crypto.PublicKey) error {
	for _, key := range append([]crypto.PublicKey{a.root.PublicKey, a.issuing.PublicKey}, others...) {
		spki, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return evidence.Errorf(evidence.CodeAuthorityKeyFile, "", "a reserved key cannot be encoded")
		}
		if a.reserved[string(spki)] {
			return evidence.Errorf(evidence.CodeAuthorityKeyShared, "", "root, issuing CA and token signer each need a key of their own")
		}
		a.reserved[string(spki)] = true
	}
	return nil
}

// TrustDomain returns the trust domain's name.
func (a *Authority) TrustDomain() string { return a.trustDomain.Name() }

// Created reports whether Open made the root, which is then new to everybody.
func (a *Authority) Created() bool { return a.created }

// CheckTrustDomain returns the *evidence.Error that [Open] would refuse name with.
func CheckTrustDomain(name string) error {
	_, err := parseTrustDomain(name)
	return err
}

// parseTrustDomain accepts names that are SPIFFE trust domains and that a URI
// name constraint can express (RFC 5280 §4.2.1.10: a host name, no address).
func parseTrustDomain(name string) (spiffeid.TrustDomain, error) {
	td, err := spiffeid.TrustDomainFromString(name)
	if err != nil || td.Name() != name {
		return spiffeid.TrustDomain{}, evidence.Errorf(evidence.CodeAuthorityTrustDomain, "trust_domain",
			"%.64q is no trust domain; use a name such as \"example.org\"", name)
	}
	if _, err := netip.ParseAddr(name); err == nil || !isHostName(name) {
		return spiffeid.TrustDomain{}, evidence.Errorf(evidence.CodeAuthorityTrustDomain, "trust_domain",
			"%.64q is no host name, so no certificate can be constrained to it; use a name such as \"example.org\"", name)
	}
	return td, nil
}
