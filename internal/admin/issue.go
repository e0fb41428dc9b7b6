package admin

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
)

// Request says whom a certificate is for.
type Request struct {
	// Name is the administrator's; see [CheckName].
	Name string
	Role Role
	// Key is what the administrator has the private key of.
	Key evidence.Key
	// Life is the certificate's; zero means [DefaultLife], the most is [MaxLife].
	Life time.Duration
}

// Issue makes a certificate and returns it in PEM, once it is on record. The error
// is an *evidence.Error for requests that are refused, and with CodeAuthorityKeyFile
// where the CA's key is not at hand.
func (a *Authority) Issue(r Request) (Issued, []byte, error) {
	template, err := a.leaf(r)
	if err != nil {
		return Issued{}, nil, err
	}
	path := filepath.Join(a.dir, keyFile)
	key, err := keyfile.Load(path, elliptic.P256())
	if errors.Is(err, fs.ErrNotExist) {
		return Issued{}, nil, evidence.Errorf(evidence.CodeAuthorityKeyFile, path, "the key of the administrators' CA is not here; issue where it is kept")
	}
	if err != nil {
		return Issued{}, nil, err
	}
	if !key.PublicKey.Equal(a.cert.PublicKey) {
		return Issued{}, nil, evidence.Errorf(evidence.CodeAuthorityCert, path, "the key is not that of the certificate in %s", certFile)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, r.Key.Public(), key)
	if err != nil {
		return Issued{}, nil, err
	}
	issued, err := a.release(der, identity{r.Role, r.Name})
	return issued, encodePEM(der), err
}

// leaf decides what the certificate says. Its serial number is random.
func (a *Authority) leaf(r Request) (*x509.Certificate, error) {
	if err := CheckName(r.Name); err != nil {
		return nil, err
	}
	if _, known := roleNames[r.Role]; !known {
		return nil, evidence.Errorf(evidence.CodeIssuingIdentity, "role", "a certificate is for a role")
	}
	if r.Life == 0 {
		r.Life = DefaultLife
	}
	if r.Life < minLife || r.Life > MaxLife {
		return nil, evidence.Errorf(evidence.CodeIssuingValidity, "", "an administrator's certificate lives for up to %d days", MaxLife/(24*time.Hour))
	}
	if r.Key.IsZero() || string(r.Key.SPKI()) == string(a.cert.RawSubjectPublicKeyInfo) {
		return nil, evidence.Errorf(evidence.CodeIssuingKey, "key", "there is no key to certify, or it is the CA's own")
	}
	now := a.now()
	notAfter := now.Add(r.Life)
	if notAfter.After(a.cert.NotAfter) {
		notAfter = a.cert.NotAfter
	}
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: r.Name},
		NotBefore:             now.Add(-backdate).Truncate(time.Second),
		NotAfter:              notAfter.Truncate(time.Second),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{identity{r.Role, r.Name}.uri(a.trustDomain)},
	}, nil
}

// release judges a new certificate as it will be judged when it is used, and puts
// it on record. Only then it may leave.
func (a *Authority) release(der []byte, want identity) (Issued, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Issued{}, err
	}
	got, err := a.identify(cert)
	if err != nil || got != want {
		return Issued{}, evidence.Errorf(evidence.CodeIssuingLint, "", "the certificate is not released: it does not say what was decided (%v)", err)
	}
	issued := newIssued(cert, got)
	return issued, keyfile.WriteNew(filepath.Join(a.dir, issuedDir, issued.Serial+".crt"), encodePEM(der), 0o644)
}
