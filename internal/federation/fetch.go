package federation

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"mime"
	"net/http"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/strictjson"
)

// fetch gets the bundle from its endpoint, which authenticates itself as its profile says.
func (m *member) fetch(ctx context.Context) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	transport := &http.Transport{
		TLSClientConfig: m.authentication(), Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		DisableCompression: true, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader,
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := transport.RoundTrip(req) // which follows no redirects: there is one endpoint
	if err != nil {
		return nil, m.unreached("no answer from the bundle endpoint: %w", err)
	}
	defer resp.Body.Close()
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || err != nil || mediaType != "application/json" {
		return nil, m.unreached("the bundle endpoint answers with status %d and type %.64q", resp.StatusCode, mediaType)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBundle+1))
	if err != nil {
		return nil, m.unreached("the bundle did not arrive: %w", err)
	}
	if len(raw) > maxBundle {
		return nil, m.unreached("the bundle takes more than %d bytes", maxBundle)
	}
	return raw, nil
}

// authentication is how the endpoint must show who it is.
func (m *member) authentication() *tls.Config {
	if m.Profile == HTTPSSPIFFE {
		return tlsconfig.TLSClientConfig(m.current.Load().parsed, tlsconfig.AuthorizeID(m.id))
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: m.Roots}
}

func (m *member) unreached(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeFederationUnreached, m.TrustDomain, format, args...)
}

// parse decodes a bundle in which nothing can be read in two ways.
func parse(domain spiffeid.TrustDomain, raw []byte) (*spiffebundle.Bundle, error) {
	rules := strictjson.Rules{Depth: maxDepth, Elements: maxEntries, Text: maxText}
	if err := strictjson.Check(raw, rules); err != nil {
		return nil, evidence.Errorf(evidence.CodeFederationBundle, domain.Name(), "the bundle is refused: %w", err)
	}
	bundle, err := spiffebundle.Parse(domain, raw)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeFederationBundle, domain.Name(), "the bundle cannot be decoded: %w", err)
	}
	return bundle, nil
}
