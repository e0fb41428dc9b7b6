package ca

import (
	"bytes"
	"crypto"
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
	"github.com/quotary/quotary/verifier"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// The files of one authority. Keys have mode 0600, certificates 0644.
const (
	rootKeyFile     = "root.key"
	rootCertFile    = "root.crt"
	issuingKeyFile  = "issuing.key"
	issuingCertFile = "issuing.crt"
	jwtKeyFile      = "jwt.key"
)

const pemCertificate = "CERTIFICATE"

// realm is what the authorities of a folder have in common.
type realm struct {
	trustDomain spiffeid.TrustDomain
	service     spiffeid.ID
	reserved    map[string]bool // SPKIs that are never certified
	life        time.Duration   // of issuing CAs that are made
	maxTTL      time.Duration   // of leaves
	attest      func(verifier.Result) ([]byte, error)
	list        string // what the URLs of revocation lists in leaves begin with; empty without
	responder   string // the URL of the OCSP responder in leaves; empty without
	keys        Keys
	now         func() time.Time
}

// hierarchy is one authority: a root, an issuing CA below it and a key for
// JWT-SVIDs. It is immutable.
type hierarchy struct {
	*realm
	root    *x509.Certificate
	issuing *x509.Certificate
	key     crypto.Signer // of the issuing CA; the root's is not kept open
	jwt     crypto.Signer // signs JWT-SVIDs
	where   string        // the issuing key is
}

// openFirst reads the first authority of a folder and makes what is missing. A
// crash between two files leaves a state that the next call completes.
func (r *realm) openFirst(dir string) (h *hierarchy, created bool, err error) {
	now := r.now()
	root, err := readCertificate(filepath.Join(dir, rootCertFile))
	if created = errors.Is(err, fs.ErrNotExist); created {
		root, err = r.makeRoot(dir, now)
	}
	if err != nil {
		return nil, false, err
	}
	_, err = readCertificate(filepath.Join(dir, issuingCertFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = r.makeIssuing(dir, root, filepath.Join(dir, rootKeyFile), now)
	}
	if err != nil {
		return nil, false, err
	}
	h, err = r.read(dir)
	return h, created, err
}

// read reads an authority from its folder and judges it, but for its age. The key
// for JWT-SVIDs needs no certificate: it is made if it is not there.
func (r *realm) read(dir string) (h *hierarchy, err error) {
	h = &hierarchy{realm: r}
	if h.root, err = readCertificate(filepath.Join(dir, rootCertFile)); err != nil {
		return nil, err
	}
	rootKey, err := r.keys.Load(filepath.Join(dir, rootKeyFile), elliptic.P384())
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may be kept elsewhere
		return nil, err
	}
	if err := h.checkRoot(rootKey); err != nil {
		return nil, err
	}
	if h.issuing, err = readCertificate(filepath.Join(dir, issuingCertFile)); err != nil {
		return nil, err
	}
	if h.key, err = r.keys.Load(filepath.Join(dir, issuingKeyFile), elliptic.P256()); err != nil {
		return nil, err
	}
	if h.where, err = keyfile.Label(filepath.Join(dir, issuingKeyFile)); err != nil {
		return nil, err
	}
	if h.jwt, _, err = r.keys.LoadOrCreate(filepath.Join(dir, jwtKeyFile), elliptic.P256()); err != nil {
		return nil, err
	}
	return h, h.checkIssuing()
}

// makeRoot makes a root in a folder.
func (r *realm) makeRoot(dir string, now time.Time) (*x509.Certificate, error) {
	key, _, err := r.keys.LoadOrCreate(filepath.Join(dir, rootKeyFile), elliptic.P384())
	if err != nil {
		return nil, err
	}
	template := r.caTemplate("Quotary root CA", key.Public(), now, rootTTL)
	template.MaxPathLen = 1 // one level of issuing CAs
	return makeCertificate(filepath.Join(dir, rootCertFile), template, template, key.Public(), key)
}

// makeIssuing makes an issuing CA in a folder, below a root whose key is in a file.
func (r *realm) makeIssuing(dir string, root *x509.Certificate, rootKeyPath string, now time.Time) error {
	rootKey, err := r.keys.Load(rootKeyPath, elliptic.P384())
	if errors.Is(err, fs.ErrNotExist) {
		return evidence.Errorf(evidence.CodeAuthorityKeyFile, rootKeyFile, "an issuing CA has to be made, and the root's key is not there to sign it")
	}
	if err != nil {
		return err
	}
	key, _, err := r.keys.LoadOrCreate(filepath.Join(dir, issuingKeyFile), elliptic.P256())
	if err != nil {
		return err
	}
	template := r.issuingTemplate(key.Public(), root, now)
	_, err = makeCertificate(filepath.Join(dir, issuingCertFile), template, root, key.Public(), rootKey)
	return err
}

// issuingTemplate is the profile of issuing CAs.
func (r *realm) issuingTemplate(key crypto.PublicKey, root *x509.Certificate, now time.Time) *x509.Certificate {
	template := r.caTemplate("Quotary issuing CA", key, now, r.life)
	template.MaxPathLenZero = true // leaves only
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.PermittedURIDomains = []string{r.trustDomain.Name()}
	template.ExcludedURIDomains = []string{r.subdomains()}
	template.PermittedDNSDomainsCritical = true // the whole extension is
	if template.NotAfter.After(root.NotAfter) {
		template.NotAfter = root.NotAfter
	}
	return template
}

// caTemplate is what root and issuing CA have in common. The subject carries a
// part of the key's identifier, so that no two CAs have the same name.
func (r *realm) caTemplate(name string, key crypto.PublicKey, now time.Time, ttl time.Duration) *x509.Certificate {
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
		URIs:                  []*url.URL{r.trustDomain.ID().URL()},
	}
}

// makeCertificate signs template, writes it and returns what is then on disk:
// its own, or that of another process that was faster.
func makeCertificate(path string, template, parent *x509.Certificate, key crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
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
func (h *hierarchy) checkRoot(key crypto.Signer) error {
	c := h.root
	switch {
	case key != nil && !isFor(c, key):
		return refuseCert(rootCertFile, "it is not for the key in %s", rootKeyFile)
	case !isCA(c) || c.CheckSignatureFrom(c) != nil:
		return refuseCert(rootCertFile, "it is not a self-signed CA certificate of this profile")
	case !h.isOfTrustDomain(c):
		return refuseCert(rootCertFile, "it is not for the trust domain %s; one folder serves one trust domain", h.trustDomain)
	}
	return nil
}

// checkIssuing judges the issuing CA by its key and the root.
func (h *hierarchy) checkIssuing() error {
	c := h.issuing
	switch {
	case !isFor(c, h.key):
		return refuseCert(issuingCertFile, "it is not for the key in %s", issuingKeyFile)
	case !isCA(c) || !c.MaxPathLenZero || !hasBothUsages(c):
		return refuseCert(issuingCertFile, "it is not a CA certificate of this profile")
	case !h.isOfTrustDomain(c) || !h.isConstrained(c):
		return refuseCert(issuingCertFile, "it is not constrained to the trust domain %s", h.trustDomain)
	case !bytes.Equal(c.RawIssuer, h.root.RawSubject) || c.CheckSignatureFrom(h.root) != nil:
		return refuseCert(issuingCertFile, "it is not issued by the root in %s", rootCertFile)
	case c.NotAfter.After(h.root.NotAfter):
		return refuseCert(issuingCertFile, "it outlives its root")
	}
	return nil
}

// checkAge refuses an authority that is too old to issue, or too short-lived for
// the leaves that it is to issue.
func (h *hierarchy) checkAge(now time.Time) error {
	if err := h.checkLife(); err != nil {
		return err
	}
	if err := checkValidity(rootCertFile, h.root, now, minIssuerTTL); err != nil {
		return err
	}
	return checkValidity(issuingCertFile, h.issuing, now, min(minIssuerTTL, h.span()/rotationParts))
}

// checkLife holds the life of leaves to what is left of an issuing CA when the next
// one takes over.
func (h *hierarchy) checkLife() error {
	if most := h.span() / rotationParts; h.maxTTL > most {
		return evidence.Errorf(evidence.CodeAuthorityLife, issuingCertFile, "certificates may last %s, and the issuing CA lives %s: a certificate lasts a sixth of that at most, %s; configure authority.svid_hours, or prepare and activate an authority that lives longer", h.maxTTL, h.span(), most)
	}
	return nil
}

// span is the life of the issuing CA.
func (h *hierarchy) span() time.Duration { return h.issuing.NotAfter.Sub(h.begin()) }

// begin is when the issuing CA was made, as far as its certificate says.
func (h *hierarchy) begin() time.Time { return h.issuing.NotBefore.Add(backdate) }

// id names the authority, by its issuing key.
func (h *hierarchy) id() string { return hex.EncodeToString(keyID(h.issuing.PublicKey)[:8]) }

func (h *hierarchy) rootID() string { return rootID(h.root) }

// rootID names a root: the SHA-256 of its certificate, in hex.
func rootID(root *x509.Certificate) string {
	sum := sha256.Sum256(root.Raw)
	return hex.EncodeToString(sum[:])
}

// isFor reports whether c certifies this key.
func isFor(c *x509.Certificate, key crypto.Signer) bool {
	public, ok := key.Public().(*ecdsa.PublicKey)
	return ok && public.Equal(c.PublicKey)
}

func isCA(c *x509.Certificate) bool {
	return c.BasicConstraintsValid && c.IsCA && len(c.UnhandledCriticalExtensions) == 0 &&
		c.KeyUsage == x509.KeyUsageCertSign|x509.KeyUsageCRLSign && len(c.SubjectKeyId) > 0
}

func (r *realm) isOfTrustDomain(c *x509.Certificate) bool {
	return len(c.URIs) == 1 && c.URIs[0].String() == r.trustDomain.IDString()
}

// isConstrained reports whether c can certify names of the trust domain only.
func (r *realm) isConstrained(c *x509.Certificate) bool {
	return c.PermittedDNSDomainsCritical &&
		slices.Equal(c.PermittedURIDomains, []string{r.trustDomain.Name()}) &&
		slices.Equal(c.ExcludedURIDomains, []string{r.subdomains()})
}

// subdomains is the constraint for every host below the trust domain. By RFC 5280
// §4.2.1.10 a constraint without a leading period stands for that host alone; some
// verifiers, Go's among them, read it as the hosts below as well, which are trust
// domains of their own.
func (r *realm) subdomains() string { return "." + r.trustDomain.Name() }

// checkValidity refuses a certificate that is not valid for so long any more.
func checkValidity(file string, c *x509.Certificate, now time.Time, rest time.Duration) error {
	switch {
	case now.Before(c.NotBefore):
		return evidence.Errorf(evidence.CodeAuthorityExpired, file, "it is valid only from %s; is the clock right?", c.NotBefore.Format(time.RFC3339))
	case now.Add(rest).After(c.NotAfter):
		return evidence.Errorf(evidence.CodeAuthorityExpired, file, "it ends at %s, in less than %s; docs/credentials.md says how to replace it", c.NotAfter.Format(time.RFC3339), rest)
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
