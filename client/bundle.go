package client

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/quotary/quotary/evidence"
)

// Bundle returns the SPIFFE trust bundle that the service publishes now. It comes over
// an authenticated connection, and replaces earlier ones. The error is as for
// [Client.Attest].
func (c *Client) Bundle(ctx context.Context) (json.RawMessage, error) {
	var bundle json.RawMessage
	if err := c.service.Call(ctx, http.MethodGet, "/v1/bundle", nil, &bundle); err != nil {
		return nil, err
	}
	return bundle, nil
}

// Bundles returns the trust bundles that the service publishes, by trust domain: its own
// and those of trust domains that it federates with, as each published them. Never
// merge them. The error is as for [Client.Attest].
func (c *Client) Bundles(ctx context.Context) (map[string]json.RawMessage, error) {
	var answer struct {
		TrustDomains map[string]json.RawMessage `json:"trust_domains"`
	}
	if err := c.service.Call(ctx, http.MethodGet, "/v1/bundles", nil, &answer); err != nil {
		return nil, err
	}
	if answer.TrustDomains[c.trustDomain] == nil {
		return nil, unusable("trust_domains", "the service's own trust domain is not among the bundles")
	}
	return answer.TrustDomains, nil
}

// RevocationLists returns the revocation lists of the CAs in the trust bundle, those of roots
// included, in PEM: for programs that read them from a file. They are the service's word; who
// relies on one verifies it with its issuer. The error is as for [Client.Attest].
func (c *Client) RevocationLists(ctx context.Context) ([]byte, error) {
	lists, err := c.service.Get(ctx, "/v1/crls", "application/x-pem-file", maxRevocations)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(lists); block == nil || block.Type != "X509 CRL" {
		return nil, unusable("", "the answer has no revocation list")
	}
	return lists, nil
}

// Tainted returns the SHA-256 of each root in a bundle of the service's that is about to
// be withdrawn: who has a certificate below one is to attest anew, and at once.
func Tainted(bundle json.RawMessage) (roots []evidence.Digest, err error) {
	var members struct {
		Tainted []evidence.Hex `json:"quotary_tainted"`
	}
	if err := json.Unmarshal(bundle, &members); err != nil {
		return nil, unusable("quotary_tainted", "the bundle does not say which of its roots are tainted")
	}
	for _, digest := range members.Tainted {
		if len(digest) != len(evidence.Digest{}) {
			return nil, unusable("quotary_tainted", "this is no SHA-256")
		}
		roots = append(roots, evidence.Digest(digest))
	}
	return roots, nil
}

// published returns the roots in the bundle that came with a certificate. The
// service, which was authenticated under the client's roots, may have newer ones.
func (c *Client) published(bundle json.RawMessage) (*x509.CertPool, error) {
	domain, err := spiffeid.TrustDomainFromString(c.trustDomain)
	if err != nil {
		return nil, err
	}
	parsed, err := spiffebundle.Parse(domain, bundle)
	if err != nil || len(parsed.X509Authorities()) == 0 {
		return nil, evidence.Errorf(evidence.CodeResponseIdentity, "bundle", "the answer has no trust bundle with a root")
	}
	roots := x509.NewCertPool()
	for _, root := range parsed.X509Authorities() {
		roots.AddCert(root)
	}
	return roots, nil
}
