package workloadapi_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	client "github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
)

// Bundles of other trust domains and the lists of what is revoked are handed out beside the
// identity, each by itself, and again when they change.
func TestFederatedBundlesAndLists(t *testing.T) {
	authority, other := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
	partner, gone := spiffeid.RequireTrustDomainFromString("partner.test"), spiffeid.RequireTrustDomainFromString("gone.test")
	key := agenttest.NewKey(t)
	identity := *authority.Issue(t, "web", time.Hour)
	identity.Bundle = authority.Bundle(2)
	theirs := spiffebundle.FromX509Authorities(partner, []*x509.Certificate{other.Root})
	for bundle, id := range map[*spiffebundle.Bundle]string{identity.Bundle: "ours", theirs: "theirs"} {
		if err := bundle.AddJWTAuthority(id, key.Public()); err != nil {
			t.Fatal(err)
		}
	}
	identity.Federated, identity.Lists = []*spiffebundle.Bundle{spiffebundle.New(gone), theirs}, [][]byte{{1}, {2}}
	source := agenttest.NewSource(agenttest.View(&identity))
	socket := serve(t, source)
	api, ctx := raw(t, socket), withHeader(t.Context(), "true")
	svids, err := api.FetchX509SVID(ctx, &workload.X509SVIDRequest{})
	if err != nil {
		t.Fatal(err)
	}
	bundles, err := api.FetchX509Bundles(ctx, &workload.X509BundlesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := api.FetchJWTBundles(ctx, &workload.JWTBundlesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := svids.Recv(); err != nil || len(got.GetFederatedBundles()) != 1 || !bytes.Equal(got.GetFederatedBundles()["spiffe://partner.test"], other.Root.Raw) ||
		len(got.GetCrl()) != 2 || !bytes.Equal(got.GetSvids()[0].GetBundle(), authority.Root.Raw) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := bundles.Recv(); err != nil || len(got.GetBundles()) != 2 || !bytes.Equal(got.GetBundles()["spiffe://partner.test"], other.Root.Raw) ||
		!bytes.Equal(got.GetBundles()["spiffe://agent.test"], authority.Root.Raw) || len(got.GetCrl()) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := keys.Recv(); err != nil || len(got.GetBundles()) != 2 || !bytes.Contains(got.GetBundles()["spiffe://partner.test"], []byte(`"theirs"`)) {
		t.Errorf("%v, %v", got, err)
	}
	x509Source := x509Source(t, socket)
	if got, err := x509Source.GetX509BundleForTrustDomain(partner); err != nil || !got.HasX509Authority(other.Root) {
		t.Errorf("the reference library: %v", err)
	}
	token := func(subject, id string) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, (&jose.SignerOptions{}).WithType("JWT"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.Signed(signer).Claims(jwt.Claims{Subject: subject, Audience: jwt.Audience{"web"}, Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute))}).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if _, err := api.ValidateJWTSVID(ctx, &workload.ValidateJWTSVIDRequest{Audience: "web", Svid: token("spiffe://partner.test/x", "theirs")}); err != nil {
		t.Error(err)
	}
	if _, err := api.ValidateJWTSVID(ctx, &workload.ValidateJWTSVIDRequest{Audience: "web", Svid: token("spiffe://agent.test/x", "theirs")}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a token of ours by a key of theirs: %v", err)
	}
	revoked := identity
	revoked.Lists = [][]byte{{3}}
	source.Set(agenttest.View(&revoked)) // which is no reason to send the key again
	if got, err := bundles.Recv(); err != nil || len(got.GetCrl()) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	without := identity
	without.Federated, without.Lists = nil, nil
	source.Set(agenttest.View(&without))
	if got, err := svids.Recv(); err != nil || len(got.GetFederatedBundles())+len(got.GetCrl()) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := bundles.Recv(); err != nil || len(got.GetBundles()) != 1 || len(got.GetCrl()) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := keys.Recv(); err != nil || len(got.GetBundles()) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// A cohort whose root is dropped from the bundle is refused by the reference library at the next
// handshake; members that attested anew are below the next root, and go on.
func TestAttack_A24_DroppedCohort(t *testing.T) {
	old, next := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
	issue := func(authority *agenttest.Authority, workload string, bundle *spiffebundle.Bundle) *agent.View {
		identity := authority.Issue(t, workload, time.Hour)
		identity.Bundle = bundle
		return agenttest.View(identity)
	}
	both := old.Bundle(2, next)
	db := agenttest.NewSource(issue(next, "db", both))
	healthy, stolen := agenttest.NewSource(issue(old, "web", both)), agenttest.NewSource(issue(old, "web", both))
	server, good, bad := x509Source(t, serve(t, db)), x509Source(t, serve(t, healthy)), x509Source(t, serve(t, stolen))
	config := tlsconfig.MTLSServerConfig(server, server, tlsconfig.AuthorizeMemberOf(agenttest.TrustDomain))
	config.SessionTicketsDisabled = true
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, io.LimitReader(conn, 1)) // answers whom it believes
			conn.Close()
		}
	}()
	defer func() { listener.Close(); <-done }()
	accepted := func(who *client.X509Source) bool {
		t.Helper()
		conn, err := tls.Dial("tcp", listener.Addr().String(), tlsconfig.MTLSClientConfig(who, who, tlsconfig.AuthorizeAny()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte{1}); err != nil {
			return false
		}
		_, err = conn.Read(make([]byte, 1))
		return err == nil
	}
	if !accepted(good) || !accepted(bad) {
		t.Error("refused while both roots are there")
	}
	updated := good.Updated()
	healthy.Set(issue(next, "web", both)) // the root is tainted, and this one attests anew
	<-updated
	if !accepted(good) || !accepted(bad) {
		t.Error("refused before the root is dropped")
	}
	updated = server.Updated()
	db.Set(issue(next, "db", next.Bundle(3)))
	<-updated
	if !accepted(good) {
		t.Error("a healthy member is refused")
	}
	if accepted(bad) {
		t.Error("a member of the dropped cohort is accepted")
	}
}
