package agent

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
)

// Identity is what an attestation brought, as it is handed out. It does not change:
// its bundle is not to be written to.
type Identity struct {
	ID spiffeid.ID
	// Certificate is the X509-SVID with its chain, leaf first, and its key.
	Certificate *tls.Certificate
	// Bundle is the trust bundle of the identity's trust domain, Federated those of others,
	// sorted by trust domain.
	Bundle    *spiffebundle.Bundle
	Federated []*spiffebundle.Bundle
	// Lists are the revocation lists of the trust domain's issuing CAs, DER; none where the
	// agent has none, or they are too long.
	Lists [][]byte
	// ListFile has these lists and those of the roots, in PEM, for programs that want one of
	// every CA of a chain; nil where the agent has none.
	ListFile []byte
	// Token is the attestation result; nil where none was asked for.
	Token *client.Token

	AttestationID string
	Workload      string
	PolicyDigest  string
	Simulated     bool
	// AttestedAt is when the evidence was accepted, RenewAt when to attest again, chosen
	// once, and NotAfter when the identity ends.
	AttestedAt, RenewAt, NotAfter time.Time
}

// ErrKeyInTPM says that a private key cannot be handed out.
var ErrKeyInTPM = errors.New("agent: the private key lives in the TPM and cannot leave it")

// NewIdentity takes what the service granted at a time. The certificate must verify
// under the bundle that came along: it is what others will verify it by.
func NewIdentity(granted *client.Identity, at time.Time) (*Identity, error) {
	id, err := spiffeid.FromString(granted.SPIFFEID)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeResponseIdentity, "spiffe_id", "%w", err)
	}
	if granted.Certificate == nil {
		return nil, evidence.Errorf(evidence.CodeResponseIdentity, "svid", "the answer has no certificate")
	}
	bundle, err := spiffebundle.Parse(id.TrustDomain(), granted.Bundle)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeResponseMalformed, "bundle", "the trust bundle cannot be decoded")
	}
	identity := &Identity{
		ID: id, Certificate: granted.Certificate, Bundle: bundle, Token: granted.Token,
		AttestationID: granted.AttestationID, Workload: granted.Workload, PolicyDigest: granted.PolicyDigest, Simulated: granted.Simulated,
		AttestedAt: at.Round(0).UTC(), RenewAt: granted.RenewAt.Round(0).UTC(), NotAfter: granted.NotAfter.Round(0).UTC(),
	}
	if !identity.verifiesUnder(bundle, at) {
		return nil, evidence.Errorf(evidence.CodeResponseIdentity, "bundle", "the certificate does not verify under the trust bundle that came along")
	}
	return identity, nil
}

// PrivateKey returns the key as PKCS #8, DER, unencrypted. The error is [ErrKeyInTPM]
// where it cannot be had.
func (i *Identity) PrivateKey() ([]byte, error) {
	key, ok := i.Certificate.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, ErrKeyInTPM
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

// Chain returns the certificates, DER, one behind the other, leaf first.
func (i *Identity) Chain() []byte {
	var der []byte
	for _, cert := range i.Certificate.Certificate {
		der = append(der, cert...)
	}
	return der
}

// chain is the certificate and those above it, decoded.
func (i *Identity) chain() []*x509.Certificate {
	chain := []*x509.Certificate{i.Certificate.Leaf}
	for _, der := range i.Certificate.Certificate[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			chain = append(chain, cert)
		}
	}
	return chain
}

// Authorities returns a bundle's X.509 authorities, DER, one behind the other.
func Authorities(bundle *spiffebundle.Bundle) []byte {
	var der []byte
	for _, cert := range bundle.X509Authorities() {
		der = append(der, cert.Raw...)
	}
	return der
}

// KeyPEM returns the key as PKCS #8 in PEM. The error is as for PrivateKey.
func (i *Identity) KeyPEM() ([]byte, error) {
	der, err := i.PrivateKey()
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ChainPEM returns the certificates in PEM, leaf first.
func (i *Identity) ChainPEM() (text []byte) {
	for _, der := range i.Certificate.Certificate {
		text = append(text, certificate(der)...)
	}
	return text
}

// AuthoritiesPEM returns a bundle's X.509 authorities in PEM.
func AuthoritiesPEM(bundle *spiffebundle.Bundle) (text []byte) {
	for _, authority := range bundle.X509Authorities() {
		text = append(text, certificate(authority.Raw)...)
	}
	return text
}

// ListsPEM returns the revocation lists in PEM.
func (i *Identity) ListsPEM() (text []byte) {
	for _, der := range i.Lists {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
	}
	return text
}

func certificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// verifiesUnder reports whether whoever has this bundle accepts the certificate at a time.
func (i *Identity) verifiesUnder(bundle *spiffebundle.Bundle, at time.Time) bool {
	o := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, cert := range bundle.X509Authorities() {
		o.Roots.AddCert(cert)
	}
	for _, cert := range i.chain()[1:] {
		o.Intermediates.AddCert(cert)
	}
	_, err := i.Certificate.Leaf.Verify(o)
	return err == nil
}
