package admintest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/quotary/quotary/client/admin"
)

// authority issues administrators' certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "administrators"}, NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a.pool.AddCert(a.cert)
	return a, nil
}

func (a *authority) issue(name, role string, notAfter time.Time) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: notAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs: []*url.URL{{Scheme: "spiffe", Host: TrustDomain, Path: "/quotary/admin/" + role + "/" + name}},
	}, a.cert, private.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// until is when tokens end.
var until = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// principal finds out who asks: by exactly one credential.
func (s *Service) principal(r *http.Request) (admin.Principal, *Problem) {
	headers := r.Header.Values("Authorization")
	if certificates := r.TLS.PeerCertificates; len(certificates) > 0 && len(headers) == 0 {
		parts := strings.Split(certificates[0].URIs[0].Path, "/")
		return admin.Principal{Name: parts[4], Role: parts[3], Method: "certificate", ExpiresAt: certificates[0].NotAfter}, nil
	}
	if len(headers) == 1 {
		switch headers[0] {
		case "Bearer " + Credential:
			return admin.Principal{Name: "bootstrap", Role: "owner", Method: "bootstrap"}, nil
		case "Bearer " + ViewerToken:
			return admin.Principal{Name: "vera", Role: "viewer", Method: "oidc", ExpiresAt: until}, nil
		case "Bearer " + OperatorToken:
			return admin.Principal{Name: "oscar", Role: "operator", Method: "oidc", ExpiresAt: until}, nil
		}
	}
	return admin.Principal{}, Refuse(401, "service.unauthorized", "the credential is not one of this service")
}
