// Package client is the Go SDK of the service: it attests a machine and brings
// back its identity, or has evidence appraised. It speaks to a service that it
// has authenticated, and to no other: by the root of the service's authority,
// or, where only that root's digest is at hand, by the digest ([FetchRoot]).
//
// Start at [New] and [Client.Attest].
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Client talks to one service. It is safe for concurrent use.
type Client struct {
	base        string
	trustDomain string
	roots       *x509.CertPool
	http        *http.Client
}

// Config says which service to talk to.
type Config struct {
	// URL is the service's address: https, a host and nothing else.
	URL string
	// TrustDomain is the trust domain that the service must stand for.
	TrustDomain string
	// Roots are the roots of the service's authority, from its trust bundle or
	// from [FetchRoot]. The system's roots are never used.
	Roots *x509.CertPool
}

// New returns a Client. There is no way to have one that does not authenticate
// the service.
func New(c Config) (*Client, error) {
	base, err := checkURL(c.URL)
	if err != nil {
		return nil, err
	}
	if c.Roots == nil || c.TrustDomain == "" {
		return nil, errors.New("client: the service's trust domain and its authority's roots are needed")
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: c.Roots,
		VerifyConnection: func(state tls.ConnectionState) error {
			return checkService(state.PeerCertificates[0], c.TrustDomain)
		},
	}
	return &Client{base, c.TrustDomain, c.Roots, httpClient(config)}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func httpClient(config *tls.Config) *http.Client {
	return &http.Client{
		Timeout: requestTimeout,
		// No proxy from the environment, and no redirects: there is one service.
		Transport: &http.Transport{
			TLSClientConfig: config, ForceAttemptHTTP2: true, DisableCompression: true,
			MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func checkURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("client: the URL of a service is https://HOST or https://HOST:PORT")
	}
	return "https://" + u.Host, nil
}

// checkService wants the service itself at the other end, not a workload that
// the same authority gave a certificate: only the service has this SPIFFE ID.
func checkService(leaf *x509.Certificate, trustDomain string) error {
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != "spiffe://"+trustDomain+"/quotary" {
		return evidence.Errorf(evidence.CodeServiceUnreached, "", "the certificate at the other end is not the service's of trust domain %q", trustDomain)
	}
	return nil
}

// call sends in as JSON and decodes the answer into out. An error is a *Problem
// if the service refused, and an *evidence.Error if there is no usable answer.
func (c *Client) call(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return unreached(err)
	}
	defer resp.Body.Close()
	return decodeResponse(resp, out)
}

func unreached(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the URL is the caller's own
	}
	return evidence.Errorf(evidence.CodeServiceUnreached, "", "no answer from the service: %w", err)
}

func decodeResponse(resp *http.Response, out any) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	if err != nil {
		return unreached(err)
	}
	if len(body) > maxResponse {
		return unusable("", "the answer takes more than %d bytes", maxResponse)
	}
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return unusable("Content-Type", "the answer's type cannot be read")
	}
	if resp.StatusCode != http.StatusOK {
		return decodeProblem(resp, mediaType, body)
	}
	if mediaType != "application/json" {
		return unusable("Content-Type", "the answer is not JSON")
	}
	if err := json.Unmarshal(body, out); err != nil {
		return unusable("", "the answer cannot be decoded")
	}
	return nil
}

func unusable(field, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeResponseMalformed, field, format, args...)
}

// retryAfter reads a Retry-After of seconds; zero if there is none.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 || n > 24*60*60 {
		return 0
	}
	return time.Duration(n) * time.Second
}
