// Package trust is how the agent knows its service. It begins with what the operator
// gave: a file with the trust domain's bundle or root, or the root's SHA-256. Later it
// goes by the newest bundle that the service, authenticated by the one before, has
// published, so that roots can be replaced while machines run; and, where a file is
// named to keep that in, also after a restart.
//
// There is no way to go without. Start at [Open] and [Trust.Client].
package trust

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
)

// Config says which service there is, and how it is known.
type Config struct {
	// URL is the service's address: https, a host and nothing else.
	URL string
	// TrustDomain is the one that the service must stand for; empty for that which the
	// root names.
	TrustDomain string
	// BundleFile has the trust domain's SPIFFE bundle (JSON), or its roots (PEM).
	BundleFile string
	// RootSHA256 is the SHA-256 of the root's DER; nil where there is a file.
	RootSHA256 *[sha256.Size]byte
	// Keep is the file that the newest bundle is kept in; empty for memory alone.
	Keep string
	// Logger is told what is not as it should be, and goes on; nil means nobody.
	Logger *slog.Logger
}

// Trust knows the service. It is safe for concurrent use.
type Trust struct {
	config Config
	origin string // what the operator gave, as the kept file is marked with

	mu        sync.Mutex
	bundle    *spiffebundle.Bundle // nil until the pinned root was fetched
	client    *client.Client       // by that bundle; nil until wanted
	outdated  chan struct{}        // closed when bundle is replaced
	federated []*spiffebundle.Bundle
	lists     []byte
}

// Open reads what there is in files. Nothing is fetched yet.
func Open(c Config) (*Trust, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if (c.BundleFile == "") == (c.RootSHA256 == nil) {
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, "service", "how is the service to be known? Give either bundle (a file) or root_sha256, which the service prints when it starts; there is no way without")
	}
	t := &Trust{config: c, outdated: make(chan struct{})}
	given, err := t.given()
	if err != nil {
		return nil, err
	}
	kept, err := t.kept(given)
	if err != nil {
		c.Logger.Warn("the kept trust bundle is not used", "file", c.Keep, "cause", err.Error())
	}
	if t.bundle = given; kept != nil && (given == nil || agent.Newer(kept, given)) {
		t.bundle = kept
	}
	return t, nil
}

// Client returns a client of the service, by the newest bundle. It is the caller's until
// the next call. The error is client.FetchRoot's where the root is not at hand yet.
func (t *Trust) Client(ctx context.Context) (*client.Client, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.client != nil {
		return t.client, nil
	}
	config, err := t.clientConfig(ctx)
	if err != nil {
		return nil, err
	}
	t.client, err = client.New(config)
	return t.client, err
}

// clientConfig is for a client of the service, by the newest bundle. The caller has the lock.
func (t *Trust) clientConfig(ctx context.Context) (client.Config, error) {
	if t.bundle == nil {
		bundle, err := t.fetch(ctx)
		if err != nil {
			return client.Config{}, err
		}
		t.bundle = bundle
	}
	roots := x509.NewCertPool()
	for _, root := range t.bundle.X509Authorities() {
		roots.AddCert(root)
	}
	return client.Config{URL: t.config.URL, TrustDomain: t.bundle.TrustDomain().Name(), Roots: roots}, nil
}

// fetch gets the root of which only the digest is known.
func (t *Trust) fetch(ctx context.Context) (*spiffebundle.Bundle, error) {
	root, err := client.FetchRoot(ctx, t.config.URL, *t.config.RootSHA256)
	if err != nil {
		return nil, err
	}
	return t.ofRoots("root_sha256", []*x509.Certificate{root})
}

// Refresh returns what the service publishes now, and goes by its bundle. Bundles of other
// trust domains, and revocation lists, that cannot be had or decoded stay as they were.
func (t *Trust) Refresh(ctx context.Context) (*agent.Published, error) {
	c, err := t.Client(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := c.Bundle(ctx)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	domain := t.bundle.TrustDomain()
	t.mu.Unlock()
	bundle, err := spiffebundle.Parse(domain, raw)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeResponseMalformed, "bundle", "the trust bundle cannot be decoded")
	}
	tainted, err := client.Tainted(raw)
	if err != nil {
		return nil, err
	}
	t.Learn(bundle)
	return &agent.Published{Bundle: bundle, Tainted: tainted, Federated: t.others(ctx, c, domain), Lists: t.revoked(ctx, c)}, nil
}

// others returns the bundles of other trust domains. They do not come with the own one: what
// others publish must not keep the agent from learning that.
func (t *Trust) others(ctx context.Context, c *client.Client, own spiffeid.TrustDomain) []*spiffebundle.Bundle {
	t.mu.Lock()
	last := t.federated
	t.mu.Unlock()
	raw, err := c.Bundles(ctx)
	if err != nil {
		t.config.Logger.Warn("the bundles of other trust domains could not be renewed", "cause", err.Error())
		return last
	}
	delete(raw, own.Name())
	var bundles []*spiffebundle.Bundle
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		bundle, err := parseBundle(name, raw[name])
		if err != nil {
			t.config.Logger.Warn("the bundle of another trust domain cannot be decoded", "trust_domain", name, "cause", err.Error())
			i := slices.IndexFunc(last, func(b *spiffebundle.Bundle) bool { return b.TrustDomain().Name() == name })
			if i < 0 {
				continue
			}
			bundle = last[i]
		}
		bundles = append(bundles, bundle)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.federated = bundles
	return bundles
}

func parseBundle(name string, raw []byte) (*spiffebundle.Bundle, error) {
	domain, err := spiffeid.TrustDomainFromString(name)
	if err != nil {
		return nil, err
	}
	return spiffebundle.Parse(domain, raw)
}

// revoked returns the revocation lists, or those of before where they cannot be had.
func (t *Trust) revoked(ctx context.Context, c *client.Client) []byte {
	lists, err := c.RevocationLists(ctx)
	if err != nil {
		t.config.Logger.Warn("the revocation lists could not be renewed", "cause", err.Error())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.lists = lists
	}
	return t.lists
}

// Learn goes by a bundle from now on, which the authenticated service sent, if it is
// newer. One without roots is for others: this agent could never ask anybody again.
func (t *Trust) Learn(bundle *spiffebundle.Bundle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bundle == nil || bundle.TrustDomain() != t.bundle.TrustDomain() || len(bundle.X509Authorities()) == 0 || !agent.Newer(bundle, t.bundle) {
		return
	}
	t.bundle = bundle
	close(t.outdated)
	t.outdated = make(chan struct{})
	if t.client != nil {
		t.client.Close() // exchanges under way go on; connections are made anew
		t.client = nil
	}
	if err := t.keep(bundle); err != nil {
		t.config.Logger.Warn("the trust bundle could not be kept", "file", t.config.Keep, "cause", err.Error())
	}
}

// Close closes idle connections.
func (t *Trust) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.client != nil {
		t.client.Close()
	}
}

// ofRoots makes a bundle of roots, of the trust domain that is configured or that the
// first one names.
func (t *Trust) ofRoots(field string, roots []*x509.Certificate) (*spiffebundle.Bundle, error) {
	domain, err := t.domain(field, roots)
	if err != nil {
		return nil, err
	}
	for _, root := range roots {
		if !root.IsCA {
			return nil, evidence.Errorf(evidence.CodeConfigMalformed, field, "a certificate in it is no authority's; the root is ca/root.crt in the service's data directory")
		}
	}
	return spiffebundle.FromX509Authorities(domain, roots), nil
}

func (t *Trust) domain(field string, roots []*x509.Certificate) (spiffeid.TrustDomain, error) {
	if t.config.TrustDomain != "" {
		domain, err := spiffeid.TrustDomainFromString(t.config.TrustDomain)
		if err != nil {
			err = evidence.Errorf(evidence.CodeConfigMalformed, "service.trust_domain", "%w", err)
		}
		return domain, err
	}
	if len(roots) == 0 || len(roots[0].URIs) != 1 {
		return spiffeid.TrustDomain{}, evidence.Errorf(evidence.CodeConfigMalformed, field, "no root names a trust domain; give trust_domain")
	}
	domain, err := spiffeid.TrustDomainFromURI(roots[0].URIs[0])
	if err != nil {
		err = fmt.Errorf("the root's trust domain: %w", err)
	}
	return domain, err
}
