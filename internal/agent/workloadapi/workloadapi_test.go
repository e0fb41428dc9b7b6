package workloadapi_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	client "github.com/spiffe/go-spiffe/v2/workloadapi"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	quotary "github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/jwtsvid"
	"github.com/quotary/quotary/internal/agent/workloadapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve has a source answer at a socket.
func serve(t *testing.T, source workloadapi.Source) (socket string) {
	t.Helper()
	return agenttest.Serve(t, func(r grpc.ServiceRegistrar) { workloadapi.Register(r, source, issuing{}) })
}

// issuing has a token for each audience but three.
type issuing struct{}

func (issuing) Fetch(_ context.Context, identity *agent.Identity, audience []string) (*quotary.JWTSVID, error) {
	switch audience[0] {
	case "too many":
		return nil, jwtsvid.ErrTooMany
	case "refused":
		return nil, &quotary.Problem{Reason: evidence.Errorf(evidence.CodeNotAccepted, "", "so"), Status: http.StatusUnprocessableEntity}
	case "silent":
		return nil, evidence.Errorf(evidence.CodeServiceUnreached, "", "so")
	}
	return &quotary.JWTSVID{Token: identity.ID.String() + " for " + strings.Join(audience, " and ")}, nil
}

// raw returns a client without the rules of any library.
func raw(t *testing.T, socket string) workload.SpiffeWorkloadAPIClient {
	t.Helper()
	return workload.NewSpiffeWorkloadAPIClient(agenttest.Dial(t, socket))
}

func withHeader(ctx context.Context, values ...string) context.Context {
	for _, value := range values {
		ctx = metadata.AppendToOutgoingContext(ctx, "workload.spiffe.io", value)
	}
	return ctx
}

func x509Source(t *testing.T, socket string) *client.X509Source {
	t.Helper()
	source, err := client.NewX509Source(t.Context(), client.WithClientOptions(client.WithAddr("unix://"+socket)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	return source
}

// Two workloads with sources of the reference library speak mutual TLS, before and
// after an identity, its key and the bundle were replaced on the open streams.
func TestReferenceClients(t *testing.T) {
	authority, next := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
	web, db := agenttest.NewSource(agenttest.View(authority.Issue(t, "web", time.Hour))), agenttest.NewSource(agenttest.View(authority.Issue(t, "db", time.Hour)))
	webSource, dbSource := x509Source(t, serve(t, web)), x509Source(t, serve(t, db))
	talk(t, webSource, dbSource)
	first, err := webSource.GetX509SVID()
	if err != nil {
		t.Fatal(err)
	}
	for who, source := range map[string]*agenttest.Source{"web": web, "db": db} { // both authorities are trusted first
		view, _ := source.Current()
		identity := *view.Identity
		identity.Bundle = authority.Bundle(2, next)
		updated := webSource.Updated()
		if who == "db" {
			updated = dbSource.Updated()
		}
		source.Set(agenttest.View(&identity))
		<-updated
	}
	talk(t, webSource, dbSource)
	renewed := next.Issue(t, "web", time.Hour)
	renewed.Bundle = next.Bundle(3, authority)
	updated := webSource.Updated()
	web.Set(agenttest.View(renewed))
	<-updated
	second, err := webSource.GetX509SVID()
	if err != nil {
		t.Fatal(err)
	}
	if second.Certificates[0].Equal(first.Certificates[0]) || !second.Certificates[0].Equal(renewed.Certificate.Leaf) {
		t.Error("the renewed identity did not arrive")
	}
	talk(t, webSource, dbSource)
}

// talk has web call db over mutual TLS; each wants the other and nobody else.
func talk(t *testing.T, web, db *client.X509Source) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", tlsconfig.MTLSServerConfig(db, db, tlsconfig.AuthorizeID(spiffeid.RequireFromSegments(agenttest.TrustDomain, "web"))))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, err := io.Copy(conn, io.LimitReader(conn, 5)); err != nil {
			t.Errorf("db: %v", err)
		}
	})
	conn, err := tls.Dial("tcp", listener.Addr().String(), tlsconfig.MTLSClientConfig(web, web, tlsconfig.AuthorizeID(spiffeid.RequireFromSegments(agenttest.TrustDomain, "db"))))
	if err != nil {
		listener.Close()
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.LimitReader(conn, 5)); err != nil || string(got) != "hello" {
		t.Errorf("web heard %q, %v", got, err)
	}
}

// The messages are what the standard says, to the byte.
func TestMessages(t *testing.T) {
	identity := agenttest.NewAuthority(t).Issue(t, "web", time.Hour)
	api := raw(t, serve(t, agenttest.NewSource(agenttest.View(identity))))
	ctx := withHeader(t.Context(), "true")
	x509Stream, err := api.FetchX509SVID(ctx, &workload.X509SVIDRequest{})
	if err != nil {
		t.Fatal(err)
	}
	response, err := x509Stream.Recv()
	if err != nil || len(response.GetSvids()) != 1 {
		t.Fatalf("%v, %v", response, err)
	}
	svid := response.GetSvids()[0]
	key, err := x509.ParsePKCS8PrivateKey(svid.GetX509SvidKey())
	if err != nil {
		t.Fatal(err)
	}
	public := key.(crypto.Signer).Public().(interface{ Equal(crypto.PublicKey) bool })
	if svid.GetSpiffeId() != "spiffe://agent.test/web" || !bytes.Equal(svid.GetX509Svid(), identity.Certificate.Leaf.Raw) ||
		!public.Equal(identity.Certificate.Leaf.PublicKey) || !bytes.Equal(svid.GetBundle(), agent.Authorities(identity.Bundle)) {
		t.Errorf("%v", response)
	}
	bundles, err := api.FetchX509Bundles(ctx, &workload.X509BundlesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := bundles.Recv(); err != nil || len(got.GetBundles()) != 1 || !bytes.Equal(got.GetBundles()["spiffe://agent.test"], agent.Authorities(identity.Bundle)) {
		t.Errorf("%v, %v", got, err)
	}
}

// A bundle is sent when it changes, and not when only the identity does.
func TestBundlesAreSentWhenTheyChange(t *testing.T) {
	authority, other := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
	source := agenttest.NewSource(agenttest.View(authority.Issue(t, "web", time.Hour)))
	stream, err := raw(t, serve(t, source)).FetchX509Bundles(withHeader(t.Context(), "true"), &workload.X509BundlesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	source.Set(agenttest.View(authority.Issue(t, "web", time.Hour)))
	changed := authority.Issue(t, "web", time.Hour)
	changed.Bundle = authority.Bundle(2, other)
	source.Set(agenttest.View(changed))
	if got, err := stream.Recv(); err != nil || !bytes.Equal(got.GetBundles()["spiffe://agent.test"], agent.Authorities(changed.Bundle)) {
		t.Errorf("%v, %v", got, err)
	}
}

// calls makes each call once and returns the status of the first answer.
func calls(api workload.SpiffeWorkloadAPIClient) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"FetchX509SVID": func(ctx context.Context) error {
			stream, err := api.FetchX509SVID(ctx, &workload.X509SVIDRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		"FetchX509Bundles": func(ctx context.Context) error {
			stream, err := api.FetchX509Bundles(ctx, &workload.X509BundlesRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		"FetchJWTSVID": func(ctx context.Context) error {
			_, err := api.FetchJWTSVID(ctx, &workload.JWTSVIDRequest{Audience: []string{"a"}})
			return err
		},
		"FetchJWTBundles": func(ctx context.Context) error {
			stream, err := api.FetchJWTBundles(ctx, &workload.JWTBundlesRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		"ValidateJWTSVID": func(ctx context.Context) error {
			_, err := api.ValidateJWTSVID(ctx, &workload.ValidateJWTSVIDRequest{Audience: "a", Svid: "x.y.z"})
			return err
		},
	}
}

// Without the header, or with more than one, nothing is answered.
func TestHeader(t *testing.T) {
	api := raw(t, serve(t, agenttest.NewSource(agenttest.View(agenttest.NewAuthority(t).Issue(t, "web", time.Hour)))))
	for _, values := range [][]string{nil, {"false"}, {"True"}, {""}, {"true", "true"}, {"true", "false"}} {
		for name, call := range calls(api) {
			if err := call(withHeader(t.Context(), values...)); status.Code(err) != codes.InvalidArgument {
				t.Errorf("%s with %q: %v", name, values, err)
			}
		}
	}
}

// Why there is no identity shows in the status.
func TestAbsence(t *testing.T) {
	refused := &agent.Reason{Refused: true, Code: "policy.measurement"}
	for name, test := range map[string]struct {
		status agent.Status
		want   codes.Code
	}{
		"no answer yet": {agent.Status{State: agent.Starting, Failures: 1}, codes.Unavailable},
		"ended":         {agent.Status{State: agent.Degraded, Failures: 9}, codes.Unavailable},
		"refused":       {agent.Status{State: agent.Denied, Failures: 1, Reason: refused}, codes.PermissionDenied},
	} {
		api := raw(t, serve(t, agenttest.NewSource(&agent.View{Status: test.status})))
		for call, make := range calls(api) {
			if err := make(withHeader(t.Context(), "true")); status.Code(err) != test.want {
				t.Errorf("%s, %s: %v", name, call, err)
			}
		}
	}
}

// A caller at the first attempt waits for its outcome; one whose identity is withdrawn
// is told so; and it gets the next one when it comes back.
func TestWaitsAndWithdraws(t *testing.T) {
	authority := agenttest.NewAuthority(t)
	source := agenttest.NewSource(&agent.View{Status: agent.Status{State: agent.Starting}})
	api := raw(t, serve(t, source))
	ctx := withHeader(t.Context(), "true")
	stream, err := api.FetchX509SVID(ctx, &workload.X509SVIDRequest{})
	if err != nil {
		t.Fatal(err)
	}
	source.Set(&agent.View{Status: agent.Status{State: agent.Starting}})
	source.Set(agenttest.View(authority.Issue(t, "web", time.Hour)))
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	source.Set(&agent.View{Status: agent.Status{State: agent.Denied}})
	if _, err := stream.Recv(); status.Code(err) != codes.PermissionDenied {
		t.Errorf("withdrawn: %v", err)
	}
	source.Set(agenttest.View(authority.Issue(t, "web", time.Hour)))
	if err := calls(api)["FetchX509SVID"](ctx); err != nil {
		t.Error(err)
	}
}

// Without keys for JWT-SVIDs in the bundle there are none in this trust domain; with
// them they are handed out, and tokens verified for whoever asks.
func TestJWT(t *testing.T) {
	authority := agenttest.NewAuthority(t)
	identity := authority.Issue(t, "web", time.Hour)
	source := agenttest.NewSource(agenttest.View(identity))
	api := raw(t, serve(t, source))
	ctx := withHeader(t.Context(), "true")
	for _, call := range []string{"FetchJWTSVID", "FetchJWTBundles", "ValidateJWTSVID"} {
		if err := calls(api)[call](ctx); status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: %v", call, err)
		}
	}
	key := agenttest.NewKey(t)
	with := *identity
	with.Bundle = authority.Bundle(2)
	if err := with.Bundle.AddJWTAuthority("k1", key.Public()); err != nil {
		t.Fatal(err)
	}
	source.Set(agenttest.View(&with))
	stream, err := api.FetchJWTBundles(ctx, &workload.JWTBundlesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(got.GetBundles()["spiffe://agent.test"], &set); err != nil || len(set.Keys) != 1 || set.Keys[0].KeyID != "k1" {
		t.Errorf("%s, %v", got.GetBundles(), err)
	}
	own, err := api.FetchJWTSVID(ctx, &workload.JWTSVIDRequest{Audience: []string{"a", "b"}, SpiffeId: "spiffe://agent.test/web"})
	if err != nil || len(own.GetSvids()) != 1 || own.GetSvids()[0].GetSpiffeId() != "spiffe://agent.test/web" || own.GetSvids()[0].GetSvid() != "spiffe://agent.test/web for a and b" {
		t.Errorf("%v, %v", own, err)
	}
	for _, test := range []struct {
		request *workload.JWTSVIDRequest
		want    codes.Code
	}{
		{&workload.JWTSVIDRequest{}, codes.InvalidArgument},
		{&workload.JWTSVIDRequest{Audience: []string{"a", ""}}, codes.InvalidArgument},
		{&workload.JWTSVIDRequest{Audience: []string{strings.Repeat("a", 256)}}, codes.InvalidArgument},
		{&workload.JWTSVIDRequest{Audience: strings.Split("a,b,c,d,e,f,g,h,i", ",")}, codes.InvalidArgument},
		{&workload.JWTSVIDRequest{Audience: []string{"a"}, SpiffeId: "spiffe://agent.test/db"}, codes.PermissionDenied},
		{&workload.JWTSVIDRequest{Audience: []string{"refused"}}, codes.PermissionDenied},
		{&workload.JWTSVIDRequest{Audience: []string{"too many"}}, codes.ResourceExhausted},
		{&workload.JWTSVIDRequest{Audience: []string{"silent"}}, codes.Unavailable},
	} {
		if _, err := api.FetchJWTSVID(ctx, test.request); status.Code(err) != test.want {
			t.Errorf("%v: %v", test.request, err)
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{Subject: "spiffe://agent.test/db", Audience: jwt.Audience{"web"}, Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute))}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	valid, err := api.ValidateJWTSVID(ctx, &workload.ValidateJWTSVIDRequest{Audience: "web", Svid: token})
	if err != nil || valid.GetSpiffeId() != "spiffe://agent.test/db" || valid.GetClaims().GetFields()["sub"].GetStringValue() != "spiffe://agent.test/db" {
		t.Errorf("%v, %v", valid, err)
	}
	for name, request := range map[string]*workload.ValidateJWTSVIDRequest{
		"another audience": {Audience: "db", Svid: token}, "no audience": {Svid: token}, "no token": {Audience: "web"},
		"cut off": {Audience: "web", Svid: token[:len(token)-8]},
	} {
		if _, err := api.ValidateJWTSVID(ctx, request); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A key in the TPM cannot be handed out.
func TestKeyInTPM(t *testing.T) {
	identity := agenttest.NewAuthority(t).Issue(t, "web", time.Hour)
	certificate := *identity.Certificate
	certificate.PrivateKey = struct{ crypto.Signer }{agenttest.NewKey(t)}
	identity.Certificate = &certificate
	api := raw(t, serve(t, agenttest.NewSource(agenttest.View(identity))))
	if err := calls(api)["FetchX509SVID"](withHeader(t.Context(), "true")); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("%v", err)
	}
}
