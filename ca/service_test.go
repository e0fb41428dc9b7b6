package ca

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

func TestServerCertificate(t *testing.T) {
	a := open(t)
	c, err := a.ServerCertificate([]string{"127.0.0.1", "::1", "localhost", "quotary.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "::1", "localhost", "quotary.example.org"} {
		if err := c.Leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if got := c.Leaf.URIs[0].String(); got != "spiffe://example.org/quotary" || got != a.ServiceID() {
		t.Errorf("the service's ID is %s", got)
	}
	if err := a.chainTo(c.Leaf); err != nil {
		t.Error(err)
	}
	for _, hosts := range [][]string{{"*.example.org"}, {"LOCALHOST"}, {"a", "a"}, {"fe80::1%eth0"}, make([]string, maxHosts+1)} {
		_, err := a.ServerCertificate(hosts)
		refused(t, err, evidence.CodeIssuingIdentity)
	}
}

func TestServerCertificatesAreRenewed(t *testing.T) {
	c := &clock{verifiertest.Now()}
	a := openAt(t, t.TempDir(), c)
	source, err := a.ServerCertificates([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	get := func() *tls.Certificate {
		t.Helper()
		cert, err := source.Get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	first := get()
	c.at = c.at.Add(serviceTTL * 4 / 10)
	if get() != first {
		t.Error("renewed before its time")
	}
	c.at = c.at.Add(serviceTTL * 2 / 10)
	second := get()
	if second == first || !second.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Error("not renewed at half of its life")
	}
	c.at = a.active().issuing.NotAfter.Add(-minTTL / 2) // renewal fails, and the last one is long over
	if _, err := source.Get(nil); err == nil {
		t.Error("an expired certificate is served")
	}
	if _, err := a.ServerCertificates([]string{"*"}); err == nil {
		t.Error("bad hosts are found at the first handshake only")
	}
}

// identity is what a workload has after attestation: its key and its SVID.
func identity(t *testing.T, a *Authority, id string, simulated bool) *x509svid.SVID {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := evidence.NewKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	svid, err := a.Issue(verifiertest.Accepted(t, verifiertest.Request{Key: key, SPIFFEID: id, At: a.now(), Simulated: simulated}))
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	var chain []byte
	for _, der := range svid.Chain {
		chain = append(chain, der...)
	}
	parsed, err := x509svid.ParseRaw(chain, pkcs8)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// handshake runs mutual TLS between two peers and returns what either end says.
func handshake(server, client *tls.Config) error {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	deadline := time.Now().Add(10 * time.Second)
	_ = ours.SetDeadline(deadline)
	_ = theirs.SetDeadline(deadline)
	var wait sync.WaitGroup
	var serverErr error
	wait.Go(func() {
		conn := tls.Server(ours, server)
		if serverErr = conn.HandshakeContext(context.Background()); serverErr == nil {
			_, serverErr = conn.Write([]byte("x"))
		}
		_ = ours.Close()
	})
	conn := tls.Client(theirs, client)
	clientErr := conn.HandshakeContext(context.Background())
	if clientErr == nil {
		_, clientErr = io.ReadFull(conn, make([]byte, 1))
	}
	_ = theirs.Close()
	wait.Wait()
	return errors.Join(serverErr, clientErr)
}

func TestMutualTLSWithTheSPIFFELibrary(t *testing.T) {
	a := openAt(t, t.TempDir(), &clock{time.Now()})
	other := openAt(t, t.TempDir(), &clock{time.Now()})
	bundle := x509bundle.FromX509Authorities(a.realm.trustDomain, []*x509.Certificate{a.active().root})
	web, db := identity(t, a, "spiffe://example.org/web", false), identity(t, a, "spiffe://example.org/db", true)
	foreign := identity(t, other, "spiffe://example.org/web", false) // the same name, another root
	expect := func(id string) tlsconfig.Authorizer { return tlsconfig.AuthorizeID(spiffeid.RequireFromString(id)) }

	server := tlsconfig.MTLSServerConfig(db, bundle, expect("spiffe://example.org/web"))
	if err := handshake(server, tlsconfig.MTLSClientConfig(web, bundle, expect("spiffe://example.org/db"))); err != nil {
		t.Errorf("web to db: %v", err)
	}
	if err := handshake(server, tlsconfig.MTLSClientConfig(web, bundle, expect("spiffe://example.org/other"))); err == nil {
		t.Error("a client took the server for another")
	}
	if err := handshake(server, tlsconfig.MTLSClientConfig(db, bundle, expect("spiffe://example.org/db"))); err == nil {
		t.Error("a server took a client for another")
	}
	if err := handshake(server, tlsconfig.MTLSClientConfig(foreign, bundle, expect("spiffe://example.org/db"))); err == nil {
		t.Error("a server accepted an identity of another root")
	}
}

func TestServiceTLS(t *testing.T) {
	a := openAt(t, t.TempDir(), &clock{time.Now()})
	source, err := a.ServerCertificates([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: source.Get}
	client := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: a.Roots(), ServerName: "localhost"}
	if err := handshake(server, client); err != nil {
		t.Error(err)
	}
	bundle := x509bundle.FromX509Authorities(a.realm.trustDomain, []*x509.Certificate{a.active().root})
	byID := tlsconfig.TLSClientConfig(bundle, tlsconfig.AuthorizeID(spiffeid.RequireFromString(a.ServiceID())))
	if err := handshake(server, byID); err != nil {
		t.Error(err)
	}
	client.ServerName = "elsewhere"
	if err := handshake(server, client); err == nil {
		t.Error("the service passes for another host")
	}
}
