package ca

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// The files of an attestation authority. Keys have mode 0600, certificates 0644.
const (
	attestationFile = "attestation" // .key, .crt: for keys of real TPMs
	simulatedFile   = "simulated"   // for keys of simulated ones
)

// The names of its CAs. What is simulated says so in every tool.
const (
	attestationName          = "Quotary TPM Attestation Keys"
	simulatedAttestationName = "SIMULATED " + attestationName
)

// AttestationConfig says where an attestation authority lives and what it certifies.
type AttestationConfig struct {
	// Dir holds attestation.key and attestation.crt, with Simulated also
	// simulated.key and simulated.crt. It is made, mode 0700, if it does not exist. Who can
	// read a key can pass any key off as a TPM's that this service enrolled.
	Dir string
	// Keys says where the private keys are; the zero value has all of them in Dir.
	Keys Keys
	// Life is that of certificates, a minute to a week; zero means a day.
	Life time.Duration
	// Simulated has keys of simulated TPMs certified, by a CA of their own.
	Simulated bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// AttestationAuthority certifies attestation keys that were enrolled. Its CAs are
// self-signed and stand apart from the root of an [Authority]: the only one to trust them
// is the verifier of this service. It is immutable and safe for concurrent use.
type AttestationAuthority struct {
	real      *attestationCA
	simulated *attestationCA // nil without AttestationConfig.Simulated
	life      time.Duration
	now       func() time.Time
}

// attestationCAExtensions is how many extensions a CA's certificate has: basic
// constraints, both key usages and the key's identifier.
const attestationCAExtensions = 4

// attestationCA is a CA that issues leaves only.
type attestationCA struct {
	cert   *x509.Certificate
	key    crypto.Signer
	origin evidence.Origin
}

// OpenAttestation returns the authority in c.Dir, and makes what is not there yet.
// To replace a CA, move its key and certificate away: the next OpenAttestation makes
// new ones, and machines enrol anew.
//
// It refuses, with an *evidence.Error, keys that others can read, certificates that
// do not fit their key or the profile, and CAs that are expired or about to be.
func OpenAttestation(c AttestationConfig) (*AttestationAuthority, error) {
	a := &AttestationAuthority{life: c.Life, now: c.Now}
	if a.now == nil {
		a.now = time.Now
	}
	if a.life == 0 {
		a.life = defaultAttestationTTL
	}
	if a.life < minTTL || a.life > maxAttestationTTL {
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, "", "certificates of attestation keys live for %s to %s, not %s", minTTL, maxAttestationTTL, a.life)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if a.real, err = openAttestationCA(c, attestationFile, attestationName, evidence.OriginConfigured, a.now()); err != nil {
		return nil, err
	}
	if !c.Simulated {
		return a, nil
	}
	if a.simulated, err = openAttestationCA(c, simulatedFile, simulatedAttestationName, evidence.OriginSimulated, a.now()); err != nil {
		return nil, err
	}
	if isFor(a.simulated.cert, a.real.key) {
		return nil, evidence.Errorf(evidence.CodeAuthorityKeyShared, "", "the CAs of real and of simulated attestation keys each need a key of their own")
	}
	return a, nil
}

// cas are the CAs that a has.
func (a *AttestationAuthority) cas() []*attestationCA {
	if a.simulated == nil {
		return []*attestationCA{a.real}
	}
	return []*attestationCA{a.real, a.simulated}
}

// Anchors are the CAs as the verifier of TPM quotes trusts them.
func (a *AttestationAuthority) Anchors() []tee.Anchor {
	var out []tee.Anchor
	for _, ca := range a.cas() {
		out = append(out, tee.Anchor{DER: bytes.Clone(ca.cert.Raw), Origin: ca.origin})
	}
	return out
}

// Keys are the CAs' public keys, which an [Authority] is to reserve.
func (a *AttestationAuthority) Keys() []crypto.PublicKey {
	var out []crypto.PublicKey
	for _, ca := range a.cas() {
		out = append(out, ca.cert.PublicKey)
	}
	return out
}

// PEM returns the CAs' certificates in PEM, for publishing.
func (a *AttestationAuthority) PEM() []byte {
	var certificates [][]byte
	for _, ca := range a.cas() {
		certificates = append(certificates, ca.cert.Raw)
	}
	return encodePEM(certificates...)
}

// openAttestationCA reads or makes the CA in these files. A crash between the two
// leaves a key that the next call certifies.
func openAttestationCA(c AttestationConfig, file, name string, origin evidence.Origin, now time.Time) (*attestationCA, error) {
	keyPath, certPath := filepath.Join(c.Dir, file+".key"), filepath.Join(c.Dir, file+".crt")
	cert, err := readCertificate(certPath)
	if errors.Is(err, fs.ErrNotExist) {
		cert, err = makeAttestationCA(c.Keys, keyPath, certPath, name, now)
	}
	if err != nil {
		return nil, err
	}
	key, err := c.Keys.Load(keyPath, elliptic.P256())
	if err != nil {
		return nil, err
	}
	ca := &attestationCA{cert: cert, key: key, origin: origin}
	return ca, ca.check(file+".crt", name, now)
}

// makeAttestationCA makes key and certificate. P-256, as with an issuing CA: it
// signs leaves.
func makeAttestationCA(keys Keys, keyPath, certPath, name string, now time.Time) (*x509.Certificate, error) {
	key, _, err := keys.LoadOrCreate(keyPath, elliptic.P256())
	if err != nil {
		return nil, err
	}
	template := attestationTemplate(name, key.Public(), now)
	return makeCertificate(certPath, template, template, key.Public(), key)
}

func attestationTemplate(name string, key crypto.PublicKey, now time.Time) *x509.Certificate {
	id := keyID(key)
	return &x509.Certificate{
		SerialNumber: newSerial(), Subject: attestationSubject(name, id),
		NotBefore: now.Add(-backdate).Truncate(time.Second), NotAfter: now.Add(attestationCATTL).Truncate(time.Second),
		KeyUsage: x509.KeyUsageCertSign, UnknownExtKeyUsage: []asn1.ObjectIdentifier{oidAttestationKey},
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		SubjectKeyId: id, SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
}

// attestationSubject carries a part of the key's identifier, so that no two CAs
// have the same name.
func attestationSubject(name string, id []byte) pkix.Name {
	return pkix.Name{Organization: []string{"Quotary"}, CommonName: name, SerialNumber: hex.EncodeToString(id[:8])}
}

// check judges the CA by its key, the profile and the name of its role.
func (ca *attestationCA) check(file, name string, now time.Time) error {
	c := ca.cert
	switch {
	case !isFor(c, ca.key):
		return refuseCert(file, "it is not for the key beside it")
	case !c.BasicConstraintsValid || !c.IsCA || !c.MaxPathLenZero || c.KeyUsage != x509.KeyUsageCertSign ||
		!isForAttestationKeys(c) || len(c.Extensions) != attestationCAExtensions || !bytes.Equal(c.SubjectKeyId, keyID(c.PublicKey)):
		return refuseCert(file, "it is not a CA certificate of this profile")
	case c.Subject.String() != attestationSubject(name, c.SubjectKeyId).String():
		return refuseCert(file, "it is not the CA %q", name)
	case !bytes.Equal(c.RawIssuer, c.RawSubject) || c.CheckSignatureFrom(c) != nil:
		return refuseCert(file, "it is not self-signed")
	}
	return checkValidity(file, c, now, minIssuerTTL)
}
