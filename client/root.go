package client

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/quotary/quotary/client/internal/exchange"
	"github.com/quotary/quotary/evidence"
)

// CheckURL refuses what is no URL of a service: https, a host, a port if need be, and nothing else.
func CheckURL(serviceURL string) error {
	_, err := exchange.CheckURL(serviceURL)
	return err
}

// FetchRoot returns the root of the authority of the service at serviceURL, of
// which only the SHA-256 (of its DER) is known: quotaryd prints it when it
// starts. The bundle is fetched over a connection that is not authenticated yet,
// and used only if the root in it has this digest and the connection's own
// certificate verifies under it, for the host in serviceURL.
func FetchRoot(ctx context.Context, serviceURL string, digest [sha256.Size]byte) (*x509.Certificate, error) {
	base, err := exchange.CheckURL(serviceURL)
	if err != nil {
		return nil, err
	}
	// The chain is verified in authenticated, when the root is there.
	c := exchange.HTTP(&tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}, requestTimeout)
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/bundle", nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, exchange.Unreached(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, unusable("", "the service has no trust bundle")
	}
	root, err := pinnedRoot(body, digest)
	if err != nil {
		return nil, err
	}
	return root, authenticated(resp.TLS, root, req.URL)
}

// pinnedRoot finds the root with this digest in a SPIFFE trust bundle.
func pinnedRoot(bundle []byte, digest [sha256.Size]byte) (*x509.Certificate, error) {
	var set struct {
		Keys []struct {
			X5C [][]byte `json:"x5c"`
		} `json:"keys"`
	}
	if json.Unmarshal(bundle, &set) != nil {
		return nil, unusable("", "the trust bundle cannot be decoded")
	}
	for _, key := range set.Keys {
		if len(key.X5C) != 1 || sha256.Sum256(key.X5C[0]) != digest {
			continue
		}
		root, err := x509.ParseCertificate(key.X5C[0])
		if err != nil || !root.IsCA {
			return nil, unusable("", "the root cannot be decoded")
		}
		return root, nil
	}
	return nil, evidence.Errorf(evidence.CodeServiceUnreached, "", "the trust bundle holds no root with this digest: another service, or somebody in between")
}

// authenticated verifies that a connection's other end is the service under root.
func authenticated(state *tls.ConnectionState, root *x509.Certificate, u *url.URL) error {
	if state == nil || len(state.PeerCertificates) == 0 || len(root.URIs) != 1 {
		return errors.New("client: a connection without certificates")
	}
	o := x509.VerifyOptions{DNSName: u.Hostname(), Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
	o.Roots.AddCert(root)
	for _, cert := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(cert)
	}
	leaf := state.PeerCertificates[0]
	if _, err := leaf.Verify(o); err != nil {
		return evidence.Errorf(evidence.CodeServiceUnreached, "", "the service's certificate does not verify under the root: %w", err)
	}
	return exchange.CheckService(leaf, root.URIs[0].Host)
}
