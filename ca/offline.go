package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
)

// requestDir holds the key of an issuing CA while the root, which is kept
// elsewhere, has yet to sign its certificate.
const requestDir = "request"

const pemRequest = "CERTIFICATE REQUEST"

// Request returns a certificate request in PEM for an issuing CA, to be signed by a
// root that is kept elsewhere ([SignIssuing]). The key is made at the first call and
// stays for [Slots.Install].
func (s *Slots) Request() (request []byte, err error) {
	err = locked(s.dir, func() error {
		key, err := s.requestedKey()
		if err != nil {
			return err
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
			Subject: pkix.Name{Organization: []string{"Quotary"}, CommonName: "Quotary issuing CA"},
			URIs:    []*url.URL{s.realm.trustDomain.ID().URL()},
		}, key)
		request = pem.EncodeToMemory(&pem.Block{Type: pemRequest, Bytes: der})
		return err
	})
	return request, err
}

// requestedKey is the key of an issuing CA whose certificate the root signs elsewhere.
func (s *Slots) requestedKey() (crypto.Signer, error) {
	dir := filepath.Join(s.dir, requestDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, _, err := s.realm.keys.LoadOrCreate(filepath.Join(dir, issuingKeyFile), elliptic.P256())
	return key, err
}

// Install prepares an authority whose issuing CA's certificate, in PEM, is for the
// key of [Slots.Request] and was signed by root, or by the active authority's if root
// is nil. It refuses a certificate for another key, of another root or outside of the
// profile.
func (s *Slots) Install(certificate, root []byte) ([]Change, error) {
	return s.change(func(b *book) error {
		key := filepath.Join(s.dir, requestDir, issuingKeyFile)
		if _, err := os.Lstat(key); errors.Is(err, fs.ErrNotExist) {
			return refuseState("no certificate was asked for; run `quotaryd ca csr` first")
		}
		if b.slots.free() < 0 {
			m := b.slots.find(Prepared, Old, Tainted)
			return refuseState("both slots are taken: %s is %s; revoke it first", m.id, m.state)
		}
		if root == nil {
			var err error
			if root, _, err = keyfile.Read(filepath.Join(authorityDir(b.dir, b.changes, b.slots.find(Active).id), rootCertFile)); err != nil {
				return err
			}
		}
		private, _, err := keyfile.Read(key)
		if err != nil {
			return err
		}
		err = b.place(func(dir string) error {
			return errors.Join(
				keyfile.WriteNew(filepath.Join(dir, issuingKeyFile), private, 0o600),
				keyfile.WriteNew(filepath.Join(dir, issuingCertFile), certificate, 0o644),
				keyfile.WriteNew(filepath.Join(dir, rootCertFile), root, 0o644),
			)
		})
		if err != nil {
			return err
		}
		return os.RemoveAll(filepath.Join(s.dir, requestDir))
	})
}

// SignIssuing signs, with the root whose key (or a reference to it) and certificate are in these files, the
// certificate of an issuing CA for the key of a request, both in PEM. From the
// request only the key is taken. life is that of the issuing CA; zero means two years,
// and it ends with the root at the latest.
func SignIssuing(keys Keys, rootKey, rootCert string, request []byte, life time.Duration, now time.Time) ([]byte, error) {
	r, root, key, err := openRoot(keys, rootKey, rootCert, life)
	if err != nil {
		return nil, err
	}
	if err := checkValidity(rootCert, root, now, minIssuerTTL); err != nil {
		return nil, err
	}
	public, err := requestedBy(request)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, r.issuingTemplate(public, root, now), root, public, key)
	if err != nil {
		return nil, err
	}
	return encodePEM(der), nil
}

// openRoot reads a root that is kept elsewhere, and judges it but for its age.
func openRoot(keys Keys, rootKey, rootCert string, life time.Duration) (*realm, *x509.Certificate, crypto.Signer, error) {
	key, err := keys.Load(rootKey, elliptic.P384())
	if err != nil {
		return nil, nil, nil, err
	}
	root, err := readCertificate(rootCert)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(root.URIs) != 1 {
		return nil, nil, nil, refuseCert(rootCert, "it is not the root of a trust domain")
	}
	r, err := newRealm(&Config{TrustDomain: root.URIs[0].Host, Life: life, MaxTTL: minTTL})
	if err != nil {
		return nil, nil, nil, err
	}
	return r, root, key, (&hierarchy{realm: r, root: root}).checkRoot(key)
}

// requestedBy is the key of a request, whose holder signed it.
func requestedBy(request []byte) (*ecdsa.PublicKey, error) {
	block, rest := pem.Decode(request)
	if block == nil || block.Type != pemRequest || len(bytes.TrimSpace(rest)) > 0 {
		return nil, evidence.Errorf(evidence.CodeKeyMalformed, "", "it is not one PEM block %q", pemRequest)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeKeyMalformed, "", "the request cannot be decoded: %w", err)
	}
	key, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() || csr.CheckSignature() != nil {
		return nil, evidence.Errorf(evidence.CodeKeyUnsupported, "", "an issuing CA has a key of ECDSA P-256, and its request is signed with it")
	}
	return key, nil
}
