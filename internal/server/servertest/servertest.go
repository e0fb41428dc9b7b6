// Package servertest runs the whole service for tests, over HTTPS on a loopback
// address, with the technology of package teetest in place of real ones:
// everything above the technologies is real.
//
// Start at [New].
package servertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/continuous"
	"github.com/quotary/quotary/internal/inforce"
	"github.com/quotary/quotary/internal/revocation"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/tokens"
	"github.com/quotary/quotary/verifier"
)

// TrustDomain is the services' trust domain.
const TrustDomain = "example.org"

// AdminCredential is the services' administrator credential.
const AdminCredential = "the-administrators-credential"

// Policy grants spiffe://example.org/web to the SEV-SNP and TDX machines of
// package teetest, and to a machine that is both.
var Policy = `apiVersion: quotary.dev/v1
kind: Workload
name: web
identity: {spiffe_id: "spiffe://example.org/web", dns_names: [web.example.org, localhost], ttl: 30m}
allow_simulated: true
any_of:
  - {sev_snp: ` + snp + `}
  - {tdx: ` + tdx + `}
  - {sev_snp: ` + snp + `, tdx: ` + tdx + `}
`

var (
	snp = `{measurements: ["` + measurement + `"], minimum_tcb: {bootloader: 4, tee: 0, snp: 24, microcode: 219}}`
	tdx = `{mrtd: ["` + measurement + `"], rtmr0: ["` + measurement + `"], rtmr1: ["` + measurement + `"], rtmr2: ["` + measurement + `"], rtmr3: any}`
)

var measurement = teetest.Measurement(48).String()

// Options change the service. The zero value is that of one in good order.
type Options struct {
	// Judge replaces the outcome of genuine evidence.
	Judge func(evidence.Item) tee.Outcome
	// NoPolicy leaves out the policy document.
	NoPolicy bool
	// Approvals is how many owners must agree to a change of the policy; 0 is 1.
	Approvals int
	// Admin is the rest of the configuration of administrators.
	Admin admin.Config
	// ByFiles has files decide over the policy.
	ByFiles bool
	// Simulated has all evidence rest on a simulated root, and the service accept it.
	Simulated bool
	// Ledger stands between the service and its ledger.
	Ledger func(server.Ledger) server.Ledger
	// Config changes the server's configuration in the end.
	Config func(*server.Config)
	// Now is the clock of verifier and server; nil means time.Now.
	Now func() time.Time
	// Log takes the server's log; nil means nobody.
	Log io.Writer
}

// Service is a running service.
type Service struct {
	URL       string
	Address   string
	Server    *server.Server
	Authority *ca.Authority
	Issuer    *tokens.Issuer
	Store     *store.Store
	Policies  *inforce.Policies
	// Continuous is idle, unless somebody runs it.
	Continuous *continuous.Sweeper

	administrators string // the folder of their CA
}

// New starts a service, which ends with the test.
func New(tb testing.TB, o Options) *Service {
	tb.Helper()
	dir := tb.TempDir()
	s := &Service{administrators: filepath.Join(dir, admin.DirName)}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := tokens.NewSigningKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	s.Authority, err = ca.Open(ca.Config{Dir: filepath.Join(dir, "ca"), TrustDomain: TrustDomain, Reserved: []crypto.PublicKey{key.Public()}})
	if err != nil {
		tb.Fatal(err)
	}
	if s.Issuer, err = tokens.NewIssuer(tokens.Config{Key: key, Issuer: s.Authority.ServiceID(), Build: "test"}); err != nil {
		tb.Fatal(err)
	}
	if s.Store, err = store.Open(tb.Context(), filepath.Join(dir, "quotary.db")); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Store.Close() })
	if s.Server, err = server.New(s.config(tb, o)); err != nil {
		tb.Fatal(err)
	}
	s.listen(tb)
	return s
}

func (s *Service) config(tb testing.TB, o Options) server.Config {
	tb.Helper()
	documents := []policies.File{{Name: "policy.yaml", Data: []byte(Policy)}}
	if o.NoPolicy {
		documents = nil
	}
	mode := inforce.ByService
	if o.ByFiles {
		mode = inforce.ByFiles
	}
	o.Admin.Approvals = new(max(1, o.Approvals))
	administrators, err := admin.Open(admin.Options{
		Dir: s.administrators, TrustDomain: TrustDomain, Config: o.Admin,
		BootstrapDigest: sha256.Sum256([]byte(AdminCredential)), Now: o.Now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	s.Policies, _, err = inforce.Open(tb.Context(), inforce.Config{
		Ledger: s.Store, Mode: mode, Files: documents, Approvals: o.Approvals, Revoked: administrators.Revoked,
		TrustDomain: TrustDomain, SimulatedAccepted: o.Simulated, Now: o.Now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	challenges := verifier.NewChallenges(&verifier.SpentSet{})
	v, err := verifier.New(verifier.Config{
		Technologies: o.technologies(), Policies: s.Policies.Set, TrustDomain: TrustDomain,
		AcceptSimulated: o.Simulated, Challenges: challenges, Now: o.Now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	svids, err := tokens.NewSVIDIssuer(tokens.SVIDConfig{TrustDomain: TrustDomain, Key: s.Authority.JWTKey, Now: o.Now})
	if err != nil {
		tb.Fatal(err)
	}
	revocations, err := revocation.New(tb.Context(), s.Store, s.Authority, time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	s.Continuous = continuous.New(continuous.Config{
		Mode: continuous.Revoke, Ledger: s.Store, Reviewer: v, Policies: s.Policies, Publisher: revocations,
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	c := server.Config{
		Appraiser: v, Challenger: challenges, Authority: s.Authority, Tokens: s.Issuer, JWTSVIDs: svids, Ledger: s.Store,
		Records: s.Store, Policies: s.Policies, Administrators: administrators,
		CanIssue: func() error { return nil }, Revocations: revocations, Continuous: s.Continuous,
		TrustDomain:       TrustDomain,
		SimulatedAccepted: o.Simulated, Version: "test", Now: o.Now,
	}
	if o.Ledger != nil {
		c.Ledger = o.Ledger(s.Store)
	}
	if o.Log != nil {
		c.Logger = slog.New(slog.NewJSONHandler(o.Log, nil))
	}
	if o.Config != nil {
		o.Config(&c)
	}
	return c
}

func (o Options) technologies() []tee.Verifier {
	var out []tee.Verifier
	for _, kind := range []evidence.Kind{evidence.KindSEVSNP, evidence.KindTDX} {
		t := &teetest.Technology{Of: kind, Claims: teetest.Claims(kind)}
		if o.Simulated {
			t.Claims = teetest.Simulated(t.Claims)
		}
		if o.Judge != nil {
			t.Judge = func(item evidence.Item, _ *tee.Endorsements, _ tee.Params) tee.Outcome { return o.Judge(item) }
		}
		out = append(out, t)
	}
	return out
}

// listen serves over TLS 1.3 until the test ends.
func (s *Service) listen(tb testing.TB) {
	tb.Helper()
	certificates, err := s.Authority.ServerCertificates([]string{"localhost", "127.0.0.1"})
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	httpServer := s.Server.HTTP(&tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: certificates.Get})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = httpServer.ServeTLS(listener, "", "")
	}()
	tb.Cleanup(func() { httpServer.Close(); <-done })
	s.Address = listener.Addr().String()
	s.URL = "https://" + s.Address
}

// Client returns an HTTP client that trusts the service and nobody else, and
// whose connections end with the test.
func (s *Service) Client(tb testing.TB) *http.Client {
	tb.Helper()
	transport := &http.Transport{TLSClientConfig: s.TLS(), ForceAttemptHTTP2: true}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// Certificate returns an administrator's certificate, with its key.
func (s *Service) Certificate(tb testing.TB, name string, role admin.Role) tls.Certificate {
	tb.Helper()
	authority, err := admin.OpenAuthority(s.administrators, TrustDomain, time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := evidence.NewKey(private.Public())
	if err != nil {
		tb.Fatal(err)
	}
	_, text, err := authority.Issue(admin.Request{Name: name, Role: role, Key: key})
	if err != nil {
		tb.Fatal(err)
	}
	block, _ := pem.Decode(text)
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: private}
}

// Revoke has the service refuse an administrator's certificate.
func (s *Service) Revoke(tb testing.TB, certificate tls.Certificate) {
	tb.Helper()
	authority, err := admin.OpenAuthority(s.administrators, TrustDomain, time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := authority.Revoke(leaf.SerialNumber.Text(16)); err != nil {
		tb.Fatal(err)
	}
}

// ClientWith is as [Service.Client], with a certificate that it always sends.
func (s *Service) ClientWith(tb testing.TB, certificate tls.Certificate) *http.Client {
	tb.Helper()
	client := s.Client(tb)
	config := client.Transport.(*http.Transport).TLSClientConfig
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	return client
}

// TLS is the configuration of a client that trusts the service and nobody else.
func (s *Service) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: s.Authority.Roots()}
}

// Roots returns the service's root.
func (s *Service) Roots() *x509.CertPool { return s.Authority.Roots() }
