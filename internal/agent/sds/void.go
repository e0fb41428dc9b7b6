package sds

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"time"

	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// void makes the response that takes certificate and key away. What verifies peers stays.
func void(names []string, version uint64) (*discovery.DiscoveryResponse, error) {
	response := newResponse(version)
	for _, name := range names {
		if isBundle(name) {
			continue
		}
		s, err := voidCertificate(name)
		if err == nil {
			err = add(response, s)
		}
		if err != nil {
			return nil, err
		}
	}
	return response, nil
}

// voidCertificate is a certificate that nobody accepts.
func voidCertificate(name string) (*tls.Secret, error) {
	chain, key, err := nobody()
	if err != nil {
		return nil, err
	}
	return certificateSecret(name, chain, key), nil
}

// isBundle reports whether a name is one of what verifies peers, whoever the machine is.
func isBundle(name string) bool {
	path, isID := strings.CutPrefix(name, "spiffe://")
	return name == nameBundle || name == nameBundles || isID && !strings.Contains(path, "/")
}

// voidValidation is what no peer passes.
func voidValidation(name string) (*tls.Secret, error) {
	root, _, err := nobody() // whose key is gone
	if err != nil {
		return nil, err
	}
	return contextSecret(name, &tls.CertificateValidationContext{TrustedCa: inline(root)}), nil
}

// nobody returns a certificate that counts nowhere, and its key, PEM: it is signed by itself,
// names nobody, and ended long ago.
func nobody() (chain, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, status.Error(codes.Internal, "no key can be made")
	}
	epoch := time.Unix(0, 0).UTC()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "withdrawn"}, NotBefore: epoch, NotAfter: epoch.Add(time.Second), BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, status.Error(codes.Internal, "no certificate can be made")
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, status.Error(codes.Internal, "no key can be encoded")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}
