package authorize

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/quotary/quotary/evidence"
)

// peer is a certificate that was proved: that its chain's signatures hold.
type peer struct {
	chain  []*x509.Certificate // with its root
	id     string
	result *result // nil if it carries none
}

// peer returns whose certificate a text is. That it was proved before is remembered; when it
// holds is looked at each time.
func (k *known) peer(text string, now time.Time) (*peer, error) {
	key := sha256.Sum256([]byte(text))
	p, ok := k.peers.Get(key)
	if !ok {
		leaf, err := ParseCertificate(text)
		if err != nil {
			return nil, err
		}
		if p, err = k.prove(leaf, now); err != nil {
			return nil, err
		}
		k.peers.Put(key, p)
	}
	for _, c := range p.chain {
		if now.Before(c.NotBefore) || now.After(c.NotAfter) {
			return nil, refuse(evidence.CodeAuthorizeChain, "the certificate, or one above it, has ended or has not begun")
		}
	}
	return p, nil
}

// ParseCertificate decodes a certificate as proxies pass it on: in PEM, or in PEM in which
// some or all reserved characters are percent signs with two digits ($ssl_client_escaped_cert
// of nginx, source.certificate of Envoy). There is exactly one. A plus sign is a plus sign.
func ParseCertificate(text string) (*x509.Certificate, error) {
	if text == "" {
		return nil, refuse(evidence.CodeAuthorizeCertificate, "the peer showed no certificate, or the proxy does not pass it on")
	}
	if len(text) > maxCertificate {
		return nil, refuse(evidence.CodeAuthorizeCertificate, "a certificate has at most %d bytes", maxCertificate)
	}
	plain := text
	if strings.Contains(text, "%") {
		var err error
		if plain, err = url.PathUnescape(text); err != nil {
			return nil, refuse(evidence.CodeAuthorizeCertificate, "the certificate's percent signs cannot be decoded")
		}
	}
	block, rest := pem.Decode([]byte(plain))
	if block == nil || len(block.Headers) > 0 || strings.TrimSpace(string(rest)) != "" || strings.LastIndex(plain, "-----BEGIN ") != 0 || block.Type != "CERTIFICATE" {
		return nil, refuse(evidence.CodeAuthorizeCertificate, "this is not one certificate in PEM, with percent signs or without")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, refuse(evidence.CodeAuthorizeCertificate, "the certificate cannot be decoded")
	}
	return certificate, nil
}

// prove verifies a certificate under the roots, with the issuing CAs that the feed names: the
// proxy passes on no chain, and what it did verify itself is not known.
func (k *known) prove(leaf *x509.Certificate, now time.Time) (*peer, error) {
	roots, above := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range k.roots {
		roots.AddCert(c)
	}
	for _, c := range k.revocations.Issuers() {
		above.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: above, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, refuse(evidence.CodeAuthorizeChain, "the certificate does not verify under the trust bundle: %w", err)
	}
	p := &peer{chain: chains[0]}
	if p.id, err = k.identity(leaf); err != nil {
		return nil, err
	}
	p.result, err = carried(leaf)
	if err == nil && p.result != nil && p.result.subject != p.id {
		err = refuse(evidence.CodeAuthorizeResult, "the attestation result in the certificate is another workload's")
	}
	return p, err
}

// identity is the SPIFFE ID of an X509-SVID that no authority has (SPIFFE X509-SVID §5.2).
func (k *known) identity(leaf *x509.Certificate) (string, error) {
	if leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 || len(leaf.URIs) != 1 {
		return "", refuse(evidence.CodeAuthorizeChain, "the certificate is not an X509-SVID of a workload")
	}
	id, err := spiffeid.FromURI(leaf.URIs[0])
	if err != nil || id.TrustDomain().Name() != k.domain || id.Path() == "" {
		return "", refuse(evidence.CodeAuthorizeChain, "the certificate is for no workload of trust domain %q", k.domain)
	}
	return id.String(), nil
}

func (p *peer) simulated() bool {
	return slices.Contains(p.chain[0].Subject.Organization, evidence.SimulatedOrganization) || p.result != nil && p.result.simulated
}

// describe says in a decision what the certificate says.
func (p *peer) describe(d *Decision) {
	d.SPIFFEID, d.Simulated = p.id, p.simulated()
	if p.result != nil {
		d.AttestedAt, d.Workload, d.Status = p.result.at, p.result.workload, p.result.status
	}
}
