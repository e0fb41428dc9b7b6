package admin

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
)

// DirName is the folder of the data directory that the administrators' CA is in.
const DirName = "admin-ca"

// What that folder holds. The key has mode 0600, certificates 0644.
const (
	keyFile    = "admin.key"
	certFile   = "admin.crt"
	issuedDir  = "issued"  // SERIAL.crt: every certificate, before it was handed out
	revokedDir = "revoked" // SERIAL: when it was revoked
)

const (
	pemCertificate = "CERTIFICATE"
	authorityName  = "Quotary Administrators"
)

// Authority is the CA of administrators' certificates. It is self-signed, and only
// this service trusts it. It is immutable and safe for concurrent use; what was
// issued and revoked is in files, and counts at once.
type Authority struct {
	dir         string
	trustDomain string
	cert        *x509.Certificate
	pool        *x509.CertPool
	now         func() time.Time
}

// OpenAuthority returns the authority in dir, and makes what is not there yet. An
// empty trustDomain stands for that of the authority that is there, which must
// then be so. The key is needed only to issue: it may be kept elsewhere. To replace
// the authority, with everything that it issued, move the folder away.
//
// It refuses, with an *evidence.Error, folders that others may write to, and a
// certificate that does not fit the profile or the trust domain, or is at its end.
func OpenAuthority(dir, trustDomain string, now func() time.Time) (*Authority, error) {
	a := &Authority{dir: dir, trustDomain: trustDomain, now: now}
	path := filepath.Join(dir, certFile)
	cert, err := readCertificate(path)
	if errors.Is(err, fs.ErrNotExist) && trustDomain != "" {
		cert, err = a.create(path)
	}
	if err != nil {
		return nil, err
	}
	if a.trustDomain == "" {
		a.trustDomain = trustDomainOf(cert)
	}
	a.cert, a.pool = cert, x509.NewCertPool()
	a.pool.AddCert(cert)
	if err := a.checkFolders(); err != nil {
		return nil, err
	}
	return a, a.check()
}

// create makes folders, key and certificate, in this order: where the certificate
// is, the others are missing only if somebody took them away.
func (a *Authority) create(path string) (*x509.Certificate, error) {
	if err := ca.CheckTrustDomain(a.trustDomain); err != nil {
		return nil, err
	}
	for _, folder := range []string{issuedDir, revokedDir} {
		if err := os.MkdirAll(filepath.Join(a.dir, folder), 0o700); err != nil {
			return nil, err
		}
	}
	key, _, err := keyfile.Keys{}.LoadOrCreate(filepath.Join(a.dir, keyFile), elliptic.P256())
	if err != nil {
		return nil, err
	}
	template := a.template()
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := keyfile.WriteNew(path, encodePEM(der), 0o644); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return readCertificate(path) // ours, or that of a process that was faster
}

func (a *Authority) template() *x509.Certificate {
	now := a.now()
	return &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"Quotary"}, CommonName: authorityName},
		NotBefore:             now.Add(-backdate).Truncate(time.Second),
		NotAfter:              now.Add(authorityLife).Truncate(time.Second),
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: a.trustDomain}},
	}
}

// id tells the authority from another that took its place.
func (a *Authority) id() string {
	sum := sha256.Sum256(a.cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// check judges the CA's certificate.
func (a *Authority) check() error {
	c, now := a.cert, a.now()
	switch {
	case !c.BasicConstraintsValid || !c.IsCA || !c.MaxPathLenZero || c.KeyUsage != x509.KeyUsageCertSign ||
		!forClients(c) || len(c.UnhandledCriticalExtensions) > 0 || len(c.SubjectKeyId) == 0 ||
		!bytes.Equal(c.RawIssuer, c.RawSubject) || c.CheckSignatureFrom(c) != nil:
		return evidence.Errorf(evidence.CodeAuthorityCert, certFile, "it is not a self-signed CA certificate of this profile")
	case trustDomainOf(c) == "" || trustDomainOf(c) != a.trustDomain:
		return evidence.Errorf(evidence.CodeAuthorityCert, certFile, "it is not for the trust domain %s; move the folder %s away to have another made", a.trustDomain, DirName)
	case now.Before(c.NotBefore):
		return evidence.Errorf(evidence.CodeAuthorityExpired, certFile, "it is valid only from %s; is the clock right?", c.NotBefore.Format(time.RFC3339))
	case now.Add(minAuthorityLife).After(c.NotAfter):
		return evidence.Errorf(evidence.CodeAuthorityExpired, certFile, "it ends at %s, in less than %s; move the folder %s away, and issue anew", c.NotAfter.Format(time.RFC3339), minAuthorityLife, DirName)
	}
	return nil
}

// checkFolders refuses folders that others may write to: they would be who says
// who is an administrator, or no longer. A folder that is missing is refused too:
// nothing in it may be lost without notice.
func (a *Authority) checkFolders() error {
	for _, dir := range []string{a.dir, filepath.Join(a.dir, issuedDir), filepath.Join(a.dir, revokedDir)} {
		info, err := os.Lstat(dir)
		if err != nil {
			return evidence.Errorf(evidence.CodeDataPermissions, dir, "the folder cannot be looked at; restore it from a backup: %w", err)
		}
		if mode := info.Mode(); !mode.IsDir() || mode.Perm()&0o022 != 0 {
			return evidence.Errorf(evidence.CodeDataPermissions, dir, "it is no folder, or others may write to it (mode %04o); run: chmod 700 %s", mode.Perm(), dir)
		}
	}
	return nil
}

// TrustDomainOf returns the trust domain that a CA's certificate in a file is for.
func TrustDomainOf(path string) (string, error) {
	cert, err := readCertificate(path)
	if err != nil {
		return "", err
	}
	if name := trustDomainOf(cert); name != "" {
		return name, nil
	}
	return "", evidence.Errorf(evidence.CodeAuthorityCert, path, "it names no trust domain")
}

// trustDomainOf is the trust domain that a certificate names alone, or "".
func trustDomainOf(c *x509.Certificate) string {
	if len(c.URIs) != 1 || c.URIs[0].String() != "spiffe://"+c.URIs[0].Host || ca.CheckTrustDomain(c.URIs[0].Host) != nil {
		return ""
	}
	return c.URIs[0].Host
}

// forClients reports whether a certificate is for TLS clients and nothing else.
func forClients(c *x509.Certificate) bool {
	return len(c.UnknownExtKeyUsage) == 0 && slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth})
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

func encodePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der})
}
