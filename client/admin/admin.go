// Package admin is the Go SDK of the service's administrators: it shows what is
// in force and what was issued, reads the audit trail, and plans, proposes and
// applies policies. It speaks to a service that it has authenticated, as package
// client does, and says who is asking by one credential.
//
// Errors are a *client.Problem if the service refused, and an *evidence.Error if
// there is no usable answer. The service demands a role for each call: viewers see,
// operators prepare, owners change.
//
// Start at [New].
package admin

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	"github.com/quotary/quotary/client/internal/exchange"
)

// Config says which service to talk to, and as whom.
type Config struct {
	// URL is the service's address: https, a host and nothing else.
	URL string
	// TrustDomain is the trust domain that the service must stand for.
	TrustDomain string
	// Roots are the roots of the service's authority, as for client.Config.
	Roots *x509.CertPool
	// Credential shows who is asking.
	Credential Credential
	// Now is the clock by which the service's certificate is judged; nil means time.Now.
	Now func() time.Time
}

// Client talks to one service as one administrator. It is safe for concurrent use.
type Client struct{ service *exchange.Service }

// New returns a Client, which authenticates the service before it shows it the
// credential.
func New(c Config) (*Client, error) {
	e := exchange.Config{URL: c.URL, TrustDomain: c.TrustDomain, Roots: c.Roots, Timeout: requestTimeout, MaxResponse: maxResponse, Now: c.Now}
	if err := c.Credential.apply(&e); err != nil {
		return nil, err
	}
	service, err := exchange.New(e)
	if err != nil {
		return nil, err
	}
	return &Client{service}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.service.Close() }

const base = "/v1/admin/"

func get[T any](ctx context.Context, c *Client, path string) (*T, error) {
	out := new(T)
	if err := c.service.Call(ctx, http.MethodGet, base+path, nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

func post[T any](ctx context.Context, c *Client, path string, in any) (*T, error) {
	out := new(T)
	if err := c.service.Call(ctx, http.MethodPost, base+path, in, out); err != nil {
		return nil, err
	}
	return out, nil
}
