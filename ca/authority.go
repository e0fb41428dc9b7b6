// Package ca turns an accepted [verifier.Result] into an X.509 certificate: a
// SPIFFE X509-SVID of short life. An [Authority] issues them for a trust domain. It
// has one or two authorities in the sense of SPIFFE, each a root, which relying
// parties trust, and an issuing CA, which signs leaves and is constrained to the
// trust domain. They succeed each other: the next one is prepared, so that its root
// becomes known, and activated; the last one, if it was stolen, is tainted and
// revoked ([Slots]). All of it lives in files under one folder, is made at the first
// start and reopened afterwards.
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
	"crypto/x509"
	"errors"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
	"github.com/quotary/quotary/verifier"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Config says where an authority lives and what it stands for.
type Config struct {
	// Dir holds the keys and certificates of the authorities and the journal. It is
	// made, mode 0700, if it does not exist. Who can write to it can become the
	// authority; who can read root.key or issuing.key in it as well.
	Dir string
	// Keys says where the private keys are; the zero value has all of them in Dir.
	Keys Keys
	// TrustDomain is the SPIFFE trust domain, such as "example.org".
	TrustDomain string
	// Reserved are the service's keys in other roles (the key that signs tokens):
	// none may be a CA's key, and none is ever certified for a workload.
	Reserved []crypto.PublicKey
	// Life is that of issuing CAs that are made; zero means two years.
	Life time.Duration
	// MaxTTL bounds the life of certificates, a minute to a day: a sixth of an issuing
	// CA's life at most. Zero means a day.
	MaxTTL time.Duration
	// AttestationResult returns what a certificate carries of the appraisal that it
	// rests on: a conceptual message wrapper in CBOR with an attestation result, for
	// the extension id-pe-cmw. If it is nil, certificates say nothing of it.
	AttestationResult func(verifier.Result) ([]byte, error)
	// ListURL has certificates of workloads say where their issuer's revocation list is: at
	// this URL and a slash and the authority's name. Empty has them say nothing.
	ListURL string
	// ResponderURL has certificates of workloads say where their issuer's OCSP responder is. Empty
	// has them say nothing.
	ResponderURL string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Keys says where private keys are: each has a file, which has the key or a reference into
// a [KeyStore].
type Keys = keyfile.Keys

// KeyStore keeps private keys that nobody can read out of it.
type KeyStore = keyfile.Store

// InFile is what [Slot] says of keys that are in their files.
const InFile = keyfile.InFile

// Authority issues certificates. It is safe for concurrent use.
type Authority struct {
	config    Config
	realm     *realm
	created   bool
	refreshes sync.Mutex // one at a time
	force     atomic.Pointer[force]

	listed     sync.Mutex
	rootListed map[string]rootList // the last list of each root, by its digest; guarded by listed
}

// Open returns the authority in c.Dir, and makes the first one if there is none. A
// root's key is needed only to make an issuing CA: it may be kept elsewhere.
//
// It refuses, with an *evidence.Error, keys that others can read, certificates
// that do not fit their key, each other, the profile or the trust domain, a journal
// that does not add up, and an active authority that is expired, about to be, or too
// short-lived for certificates of c.MaxTTL.
func Open(c Config) (*Authority, error) {
	r, err := newRealm(&c)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	a := &Authority{config: c, realm: r, rootListed: map[string]rootList{}}
	err = locked(c.Dir, func() (err error) {
		if a.created, err = r.begin(c.Dir); err != nil {
			return err
		}
		f, err := a.read()
		a.force.Store(f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, a.force.Load().active.checkAge(a.now())
}

// newRealm judges c and fills in its defaults.
func newRealm(c *Config) (*realm, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Life == 0 {
		c.Life = issuingTTL
	}
	if c.MaxTTL == 0 {
		c.MaxTTL = maxTTL
	}
	if c.MaxTTL < minTTL || c.MaxTTL > maxTTL || c.Life > maxLife || c.MaxTTL > c.Life/rotationParts {
		return nil, evidence.Errorf(evidence.CodeAuthorityLife, "", "certificates that last %s need an issuing CA that lives six times as long, and one lives %s at most; they last %s to %s", c.MaxTTL, min(c.Life, maxLife), minTTL, maxTTL)
	}
	if err := errors.Join(CheckListURL(c.ListURL), CheckResponderURL(c.ResponderURL)); err != nil {
		return nil, err
	}
	td, err := parseTrustDomain(c.TrustDomain)
	if err != nil {
		return nil, err
	}
	service, err := spiffeid.FromPath(td, servicePath)
	if err != nil {
		return nil, err
	}
	return &realm{trustDomain: td, service: service, life: c.Life, maxTTL: c.MaxTTL, attest: c.AttestationResult, list: c.ListURL, responder: c.ResponderURL, keys: c.Keys, now: c.Now}, nil
}

// reserve returns the keys that are never certified, and sees to it that each has
// one role.
func (r *realm) reserve(all []*hierarchy, others []crypto.PublicKey) error {
	var keys []crypto.PublicKey
	for i, h := range all {
		if i == 0 || !h.root.Equal(all[0].root) {
			keys = append(keys, h.root.PublicKey)
		}
		keys = append(keys, h.issuing.PublicKey, h.jwt.Public())
	}
	r.reserved = map[string]bool{}
	for _, key := range append(keys, others...) {
		spki, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return evidence.Errorf(evidence.CodeAuthorityKeyFile, "", "a reserved key cannot be encoded")
		}
		if r.reserved[string(spki)] {
			return evidence.Errorf(evidence.CodeAuthorityKeyShared, "", "roots, issuing CAs and signers of tokens each need a key of their own")
		}
		r.reserved[string(spki)] = true
	}
	return nil
}

func (a *Authority) now() time.Time { return a.config.Now() }

// TrustDomain returns the trust domain's name.
func (a *Authority) TrustDomain() string { return a.realm.trustDomain.Name() }

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
