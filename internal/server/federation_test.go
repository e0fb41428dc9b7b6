package server_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

// partners are bundles of other trust domains.
type partners map[string]json.RawMessage

func (p partners) Bundles() map[string]json.RawMessage { return p }

// Bundles of other trust domains stand beside the service's own, which none of them
// can be.
func TestBundleMap(t *testing.T) {
	others := partners{"other.org": []byte(`{"keys":[]}`), servertest.TrustDomain: []byte(`{"keys":[1]}`)}
	a := start(t, servertest.Options{Config: func(c *server.Config) { c.Federation = others }})
	var got server.BundleMap
	a.get("/v1/bundles").into(&got)
	if len(got.TrustDomains) != 2 || string(got.TrustDomains["other.org"]) != `{"keys":[]}` ||
		string(got.TrustDomains[servertest.TrustDomain]) != string(a.get("/v1/bundle").body) {
		t.Errorf("%s", got.TrustDomains)
	}
}

// The trust bundle is served as SPIFFE Federation §5.2 has it for the profile
// https_spiffe: who knows the bundle of now fetches that of later with a SPIFFE
// library, from a server that shows an X509-SVID, and no other.
func TestBundleEndpointIsSPIFFEs(t *testing.T) {
	a := start(t, servertest.Options{})
	domain := spiffeid.RequireTrustDomainFromString(servertest.TrustDomain)
	known, err := spiffebundle.Parse(domain, a.get("/v1/bundle").body)
	if err != nil {
		t.Fatal(err)
	}
	url := a.URL + "/v1/bundle"
	service := spiffeid.RequireFromString(a.Authority.ServiceID())
	fetched, err := federation.FetchBundle(t.Context(), domain, url, federation.WithSPIFFEAuth(known, service))
	if err != nil {
		t.Fatal(err)
	}
	hint, hinted := fetched.RefreshHint()
	sequence, numbered := fetched.SequenceNumber()
	if !fetched.Equal(known) || !hinted || hint != 5*time.Minute || !numbered || sequence == 0 {
		t.Errorf("refresh hint %s, sequence %d", hint, sequence)
	}
	if len(fetched.X509Authorities()) != 1 || len(fetched.JWTAuthorities()) != 1 {
		t.Errorf("%d roots and %d keys for JWT-SVIDs", len(fetched.X509Authorities()), len(fetched.JWTAuthorities()))
	}
	workload := spiffeid.RequireFromString("spiffe://example.org/web")
	if _, err := federation.FetchBundle(t.Context(), domain, url, federation.WithSPIFFEAuth(known, workload)); err == nil {
		t.Error("the service passes for a workload")
	}
	if answer := a.get("/v1/bundle"); answer.header.Get("Content-Type") != "application/json" || answer.header.Get("Cache-Control") != "public, max-age=60" {
		t.Errorf("%v", answer.header)
	}
}
