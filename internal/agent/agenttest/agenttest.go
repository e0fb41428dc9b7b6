// Package agenttest makes identities for tests, under authorities of their own, and serves
// them at sockets.
//
// Start at [NewAuthority].
package agenttest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/endpoint"
)

// Authority signs X509-SVIDs in the trust domain agent.test.
type Authority struct {
	Root *x509.Certificate
	key  *ecdsa.PrivateKey
}

// TrustDomain is the trust domain of every authority.
var TrustDomain = spiffeid.RequireTrustDomainFromString("agent.test")

// NewAuthority returns an authority whose root is valid for a year around now.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	key := NewKey(t)
	root := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), URIs: []*url.URL{TrustDomain.ID().URL()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, key, key)
	return &Authority{root, key}
}

// NewKey returns a key on P-256.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// Bundle returns the trust bundle with the roots of this and other authorities.
func (a *Authority) Bundle(sequence uint64, others ...*Authority) *spiffebundle.Bundle {
	bundle := spiffebundle.FromX509Authorities(TrustDomain, []*x509.Certificate{a.Root})
	for _, other := range others {
		bundle.AddX509Authority(other.Root)
	}
	bundle.SetSequenceNumber(sequence)
	bundle.SetRefreshHint(time.Minute)
	return bundle
}

// Granted is what a service grants for a while from now: the workload's SPIFFE ID is
// spiffe://agent.test/ and its name. It is to be renewed at half of its life.
func (a *Authority) Granted(t testing.TB, workload string, life time.Duration) *client.Identity {
	t.Helper()
	key, now := NewKey(t), time.Now().Truncate(time.Second)
	id := spiffeid.RequireFromSegments(TrustDomain, workload)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	leaf := sign(t, &x509.Certificate{
		SerialNumber: serial, URIs: []*url.URL{id.URL()}, DNSNames: []string{workload + ".agent.test"},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(life), BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.Root, key, a.key)
	bundle, err := a.Bundle(1).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return &client.Identity{
		AttestationID: "attestation of " + workload, Workload: workload, SPIFFEID: id.String(), Simulated: true, Bundle: bundle,
		Certificate: &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf},
		NotAfter:    leaf.NotAfter, RenewAt: now.Add(life / 2),
	}
}

// Issue returns the identity that an agent makes of what is granted.
func (a *Authority) Issue(t testing.TB, workload string, life time.Duration) *agent.Identity {
	t.Helper()
	identity, err := agent.NewIdentity(a.Granted(t, workload, life), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// View returns what an agent has that was granted an identity.
func View(identity *agent.Identity) *agent.View {
	return &agent.View{Identity: identity, Status: agent.Status{State: agent.Healthy, SPIFFEID: identity.ID.String(), Expires: identity.NotAfter}}
}

// Source is an agent whose view a test sets.
type Source struct {
	mu      sync.Mutex
	view    *agent.View
	changed chan struct{}
}

// NewSource returns a source with a view.
func NewSource(view *agent.View) *Source { return &Source{view: view, changed: make(chan struct{})} }

// Current is as agent.Agent.Current.
func (s *Source) Current() (*agent.View, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view, s.changed
}

// Set replaces the view.
func (s *Source) Set(view *agent.View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view = view
	close(s.changed)
	s.changed = make(chan struct{})
}

// Serve has services answer at a socket until the test ends.
func Serve(t testing.TB, register func(grpc.ServiceRegistrar)) (socket string) {
	t.Helper()
	socket = filepath.Join(ShortDir(t), "api.sock")
	e, err := endpoint.Listen(endpoint.Config{Path: socket})
	if err != nil {
		t.Fatal(err)
	}
	register(e.Services())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return socket
}

// Dial returns a connection to a socket, which ends with the test.
func Dial(t testing.TB, socket string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
