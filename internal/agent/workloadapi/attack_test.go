package workloadapi_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/workloadapi"
)

// meanwhile has something happen while a token is got.
type meanwhile func(*agent.Identity)

func (m meanwhile) Fetch(_ context.Context, i *agent.Identity, _ []string) (*client.JWTSVID, error) {
	m(i)
	return &client.JWTSVID{Token: i.Certificate.Leaf.SerialNumber.String()}, nil
}

// A token takes a while. It is not handed out if the identity was withdrawn meanwhile, and is that of
// the new one if it was replaced.
func TestAttack_B16_WithdrawnWhileATokenIsGot(t *testing.T) {
	authority := agenttest.NewAuthority(t)
	identity, next := authority.Issue(t, "web", time.Hour), authority.Issue(t, "web", time.Hour)
	identity.Bundle = authority.Bundle(2)
	if err := identity.Bundle.AddJWTAuthority("key", agenttest.NewKey(t).Public()); err != nil {
		t.Fatal(err)
	}
	next.Bundle = identity.Bundle
	source := agenttest.NewSource(nil)
	then := agenttest.View(next)
	socket := agenttest.Serve(t, func(r grpc.ServiceRegistrar) {
		workloadapi.Register(r, source, meanwhile(func(*agent.Identity) { source.Set(then) }))
	})
	api, ctx := raw(t, socket), withHeader(t.Context(), "true")
	ask := func() (*workload.JWTSVIDResponse, error) {
		source.Set(agenttest.View(identity))
		return api.FetchJWTSVID(ctx, &workload.JWTSVIDRequest{Audience: []string{"db"}})
	}
	if got, err := ask(); err != nil || got.GetSvids()[0].GetSvid() != next.Certificate.Leaf.SerialNumber.String() {
		t.Errorf("replaced: %v, %v", got, err)
	}
	for _, state := range []agent.State{agent.Denied, agent.Revoked} {
		then = &agent.View{Status: agent.Status{State: state}}
		if got, err := ask(); status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v, %v", state, got, err)
		}
	}
}

// What the agent validates for workloads is held to what the trust domain of its subject published:
// algorithm, key, audience and time.
func TestAttack_K01_K02_K03_K04_K07_K08_TokensThatAreNotValid(t *testing.T) {
	authority, stranger := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
	ours, theirs, nobodys := agenttest.NewKey(t), agenttest.NewKey(t), agenttest.NewKey(t)
	identity := authority.Issue(t, "web", time.Hour)
	identity.Bundle = authority.Bundle(2)
	partner := spiffebundle.FromX509Authorities(spiffeid.RequireTrustDomainFromString("partner.test"), []*x509.Certificate{stranger.Root})
	if err := identity.Bundle.AddJWTAuthority("ours", ours.Public()); err != nil {
		t.Fatal(err)
	}
	if err := partner.AddJWTAuthority("theirs", theirs.Public()); err != nil {
		t.Fatal(err)
	}
	identity.Federated = []*spiffebundle.Bundle{partner}
	public, err := x509.MarshalPKIXPublicKey(ours.Public())
	if err != nil {
		t.Fatal(err)
	}
	api, ctx := raw(t, serve(t, agenttest.NewSource(agenttest.View(identity)))), withHeader(t.Context(), "true")
	good := jwt.Claims{Subject: "spiffe://agent.test/db", Audience: jwt.Audience{"web"}, Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute))}
	sign := func(alg jose.SignatureAlgorithm, key any, id string, o *jose.SignerOptions, change func(*jwt.Claims)) string {
		t.Helper()
		claims := good
		if change != nil {
			change(&claims)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: id}}, o)
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	of := func(change func(*jwt.Claims)) string { return sign(jose.ES256, ours, "ours", nil, change) }
	valid := of(nil)
	validate := func(token string) error {
		_, err := api.ValidateJWTSVID(ctx, &workload.ValidateJWTSVIDRequest{Audience: "web", Svid: token})
		return err
	}
	if err := validate(valid); err != nil {
		t.Fatal(err) // or what follows would prove nothing
	}
	payload := strings.Split(valid, ".")[1]
	for name, token := range map[string]string{
		"no algorithm":               base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"ours"}`)) + "." + payload + ".",
		"the public key as a secret": sign(jose.HS256, public, "ours", nil, nil),
		"nobody's key":               sign(jose.ES256, nobodys, "ours", nil, nil),
		"no key identifier":          sign(jose.ES256, ours, "", nil, nil),
		"an unknown key identifier":  sign(jose.ES256, ours, "../ours", nil, nil),
		"a key that it brings":       sign(jose.ES256, nobodys, "nobodys", &jose.SignerOptions{EmbedJWK: true}, nil),
		"another trust domain's key": sign(jose.ES256, theirs, "theirs", nil, nil),
		"ours for another's subject": of(func(c *jwt.Claims) { c.Subject = "spiffe://partner.test/db" }),
		"an unknown trust domain":    of(func(c *jwt.Claims) { c.Subject = "spiffe://nowhere.test/db" }),
		"no subject":                 of(func(c *jwt.Claims) { c.Subject = "" }),
		"another audience":           of(func(c *jwt.Claims) { c.Audience = jwt.Audience{"web2"} }),
		"no audience":                of(func(c *jwt.Claims) { c.Audience = nil }),
		"no end":                     of(func(c *jwt.Claims) { c.Expiry = nil }),
		"ended":                      of(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(time.Now().Add(-time.Hour)) }),
	} {
		if err := validate(token); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}
