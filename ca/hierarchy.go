package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
)

// The files of an authority. Keys have mode 0600, certificates 0644.
const (
	rootKeyFile     = "root.key"
	rootCertFile    = "root.crt"
	issuingKeyFile  = "issuing.key"
	issuingCertFile = "issuing.crt"
)

const pemCertificate = "CERTIFICATE"

// openHierarchy reads root and issuing CA and makes what is missing. A crash
// between two files leaves a state that the next call completes.
func (a *Authority) openHierarchy(dir string) error {
	now := a.now()
	rootKey, err := a.openRoot(dir, now)
	if err != nil {
		return err
	}
	certPath := filepath.Join(dir, issuingCertFile)
	a.issuing, err = readCertificate(certPath)
	if errors.Is(err, fs.ErrNotExist) {
		if rootKey == nil {
			return evidence.Errorf(evidence.CodeAuthorityKeyFile, rootKeyFile, "an issuing CA has to be made, and the root's key is not there to sign it")
		}
		a.issuing, err = a.makeIssuing(dir, rootKey, now)
	}
	if err != nil {
		return err
	}
	if a.key, err = keyfile.Load(filepath.Join(dir, issuingKeyFile), elliptic.P256()); err != nil {
		return err
	}
	return a.checkIssuing(now)
}

// openRoot reads or makes the root and returns its key, or nil if only the
// certificate is there.
func (a *Authority) openRoot(dir string, now time.Time) (*ecdsa.PrivateKey, error) {
	keyPath, certPath := filepath.Join(dir, rootKeyFile), filepath.Join(dir, rootCertFile)
	cert, err := readCertificate(certPath)
	if errors.Is(err, fs.ErrNotExist) {
		cert, err = a.makeRoot(keyPath, certPath, now)
	}
	if err != nil {
		return nil, err
	}
	a.root = cert
	key, err := keyfile.Load(keyPath, elliptic.P384())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, a.checkRoot(nil, now)
	}
	if err != nil {
		return nil, err
	}
	return key, a.checkRoot(key, now)
}

func (a *Authority) makeRoot(keyPath, certPath string, now time.Time) (*x509.Certificate, error) {
	key, _, err := keyfile.LoadOrCreate(keyPath, elliptic.P384())
	if err != nil {
		return nil, err
	}
	template := a.caTemplate("Quotary root CA", &key.PublicKey, now, rootTTL)
	template.MaxPathLen = 1 // one level of issuing CAs
	a.created = true
	return makeCertificate(certPath, template, template, &key.PublicKey, key)
}

func (a *Authority) makeIssuing(dir string, rootKey *ecdsa.PrivateKey, now time.Time) (*x509.Certificate, error) {
	key, _, err := keyfile.LoadOrCreate(filepath.Join(dir, issuingKeyFile), elliptic.P256())
	if err != nil {
		return nil, err
	}
	template := a.caTemplate("Quotary issuing CA", &key.PublicKey, now, issuingTTL)
	template.MaxPathLenZero = true // leaves only
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.PermittedURIDomains = []string{a.trustDomain.Name()}
	template.ExcludedURIDomains = []string{a.subdomains()}
	template.PermittedDNSDomainsCritical = true // the whole extension is
	if template.NotAfter.After(a.root.NotAfter) {
		template.NotAfter = a.root.NotAfter
	}
	return makeCertificate(filepath.Join(dir, issuingCertFile), template, a.root, &key.PublicKey, rootKey)
}

// caTemplate is what root and issuing CA have in common. The subject carries a
// part of the key's identifier, so that no two CAs have the same name.
func (a *Authority) caTemplate(name string, key *ecdsa.PublicKey, now time.Time, ttl time.Duration) *x509.Certificate {
	id := keyID(key)
	return &x509.Certificate{
		SerialNumber: newSerial(),
		Subject: pkix.Name{
			Organization: []string{"Quotary"}, CommonName: name, SerialNumber: hex.EncodeToString(id[:8]),
		},
		NotBefore:             now.Add(-backdate).Truncate(time.Second),
		NotAfter:              now.Add(ttl).Truncate(time.Second),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		SubjectKeyId:          id,
		URIs:                  []*url.URL{a.trustDomain.ID().URL()},
	}
}

// makeCertificate signs template, writes it and returns what is then on disk:
// its own, or that of another process that was faster.
func makeCertificate(path string, template, parent *x509.Certificate, key *ecdsa.PublicKey, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, signer)
	if err != nil {
		return nil, err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der})
	if err := keyfile.WriteNew(path, data, 0o644); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return readCertificate(path)
}

func readCertificate(path string) (*x509.Certificate, error) {
	data, _, err := keyfile.Read(path)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != pemCertificate || len(bytes.TrimSpace(rest)) != 0 {
		return nil, evidence.Errorf(evidence.CodeAuthorityCert, path, "it is not one PEM block %q", pemCertificate)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeAuthorityCert, path, "it is no X.509 certificate: %w", err)
	}
	return cert, nil
}

// checkRoot judges the root; key may be nil.
func (a *Authority) checkRoot(key *ecdsa.PrivateKey, now time.Time) error {
	c := a.root
	switch {
	case key != nil && !key.PublicKey.Equal(c.PublicKey):
		return refuseCert(rootCertFile, "it is not for the key in %s", rootKeyFile)
	case !a.isCA(c) || c.CheckSignatureFrom(c) != nil:
		return refuseCert(rootCertFile, "it is not a self-signed CA certificate of this profile")
	case !a.isOfTrustDomain(c):
		return refuseCert(rootCertFile, "it is not for the trust domain %s; one folder serves one trust domain", a.trustDomain)
	}
	return checkValidity(rootCertFile, c, now)
}

// checkIssuing judges the issuing CA by its key and the root.
func (a *Authority) checkIssuing(now time.Time) error {
	c := a.issuing
	switch {
	case !a.key.PublicKey.Equal(c.PublicKey):
		return refuseCert(issuingCertFile, "it is not for the key in %s", issuingKeyFile)
	case !a.isCA(c) || !c.MaxPathLenZero || !hasBothUsages(c):
		return refuseCert(issuingCertFile, "it is not a CA certificate of this profile")
	case !a.isOfTrustDomain(c) || !a.isConstrained(c):
		return refuseCert(issuingCertFile, "it is not constrained to the trust domain %s", a.trustDomain)
	case !bytes.Equal(c.RawIssuer, a.root.RawSubject) || c.CheckSignatureFrom(a.root) != nil:
		return refuseCert(issuingCertFile, "it is not issued by the root in %s", rootCertFile)
	case c.NotAfter.After(a.root.NotAfter):
		return refuseCert(issuingCertFile, "it outlives its root")
	}
	return checkValidity(issuingCertFile, c, now)
}

func (a *Authority) isCA(c *x509.Certificate) bool {
	return c.BasicConstraintsValid && c.IsCA && len(c.UnhandledCriticalExtensions) == 0 &&
		c.KeyUsage == x509.KeyUsageCertSign|x509.KeyUsageCRLSign && len(c.SubjectKeyId) > 0
}

func (a *Authority) isOfTrustDomain(c *x509.Certificate) bool {
	return len(c.URIs) == 1 && c.URIs[0].String() == a.trustDomain.IDString()
}

// isConstrained reports whether c can certify names of the trust domain only.
func (a *Authority) isConstrained(c *x509.Certificate) bool {
	return c.PermittedDNSDomainsCritical &&
		slices.Equal(c.PermittedURIDomains, []string{a.trustDomain.Name()}) &&
		slices.Equal(c.ExcludedURIDomains, []string{a.subdomains()})
}

// subdomains is the constraint for every host below the trust domain. By RFC 5280
// §4.2.1.10 a constraint without a leading period stands for that host alone; some
// verifiers, Go's among them, read it as the hosts below as well, which are trust
// domains of their own.
func (a *Authority) subdomains() string { return "." + a.trustDomain.Name() }

func checkValidity(file string, c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return evidence.Errorf(evidence.CodeAuthorityExpired, file, "it is valid only from %s; is the clock right?", c.NotBefore.Format(time.RFC3339))
	case now.Add(minIssuerTTL).After(c.NotAfter):
		return evidence.Errorf(evidence.CodeAuthorityExpired, file, "it ends at %s, in less than %s; docs/credentials.md says how to replace it", c.NotAfter.Format(time.RFC3339), minIssuerTTL)
	}
	return nil
}

func refuseCert(file, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeAuthorityCert, file, format, args...)
}

// keyID is the leftmost 160 bits of SHA-256 over the key's SPKI; RFC 5280
// §4.2.1.2 leaves the method to the issuer.
func keyID(key any) []byte {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic("ca: a key that was checked cannot be encoded: " + err.Error())
	}
	return spkiID(spki)
}

func spkiID(spki []byte) []byte {
	sum := sha256.Sum256(spki)
	return sum[:20]
}

// newSerial returns a random positive number of up to serialBits bits.
func newSerial() *big.Int {
	var b [(serialBits + 7) / 8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:])
}
