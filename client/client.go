// Package client is the Go SDK of the service: it attests a machine and brings
// back its identity, or has evidence appraised. It speaks to a service that it
// has authenticated, and to no other: by the root of the service's authority,
// or, where only that root's digest is at hand, by the digest ([FetchRoot]).
//
// Start at [New] and [Client.Attest].
package client

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	"github.com/quotary/quotary/client/internal/exchange"
)

// Client talks to one service. It is safe for concurrent use.
type Client struct {
	trustDomain string
	now         func() time.Time
	service     *exchange.Service
}

// Config says which service to talk to.
type Config struct {
	// URL is the service's address: https, a host and nothing else.
	URL string
	// TrustDomain is the trust domain that the service must stand for.
	TrustDomain string
	// Roots are the roots of the service's authority, from its trust bundle or
	// from [FetchRoot]. The service is authenticated under them; the system's roots are
	// never used.
	Roots *x509.CertPool
	// Now is the clock by which certificates are judged; nil means time.Now.
	Now func() time.Time
}

// New returns a Client. There is no way to have one that does not authenticate
// the service.
func New(c Config) (*Client, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	service, err := exchange.New(exchange.Config{
		URL: c.URL, TrustDomain: c.TrustDomain, Roots: c.Roots, Timeout: requestTimeout, MaxResponse: maxResponse, Now: c.Now,
	})
	if err != nil {
		return nil, err
	}
	return &Client{c.TrustDomain, c.Now, service}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.service.Close() }

// call sends in as JSON and decodes the answer into out. An error is a *Problem
// if the service refused, and an *evidence.Error if there is no usable answer.
func (c *Client) call(ctx context.Context, path string, in, out any) error {
	return c.service.Call(ctx, http.MethodPost, path, in, out)
}

func unusable(field, format string, args ...any) error {
	return exchange.Unusable(field, format, args...)
}
