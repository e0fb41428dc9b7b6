package sds_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	envoytls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secret "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	envoytype "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/goleak"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/sds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial returns a proxy's client of a source, and what is logged.
func dial(t *testing.T, source sds.Source) (secret.SecretDiscoveryServiceClient, *agenttest.Notes) {
	t.Helper()
	log := &agenttest.Notes{}
	socket := agenttest.Serve(t, func(r grpc.ServiceRegistrar) { sds.Register(r, source, slog.New(slog.NewTextHandler(log, nil))) })
	return secret.NewSecretDiscoveryServiceClient(agenttest.Dial(t, socket)), log
}

// unpack returns the secrets of a response.
func unpack(t *testing.T, response *discovery.DiscoveryResponse) (secrets []*envoytls.Secret) {
	t.Helper()
	for _, resource := range response.GetResources() {
		s := &envoytls.Secret{}
		if err := resource.UnmarshalTo(s); err != nil {
			t.Fatal(err)
		}
		if err := s.ValidateAll(); err != nil { // as a proxy does
			t.Errorf("%s: %v", s.GetName(), err)
		}
		secrets = append(secrets, s)
	}
	return secrets
}

// isIdentity holds a secret to an identity.
func isIdentity(t *testing.T, s *envoytls.Secret, name string, identity *agent.Identity) {
	t.Helper()
	c := s.GetTlsCertificate()
	pair, err := tls.X509KeyPair(c.GetCertificateChain().GetInlineBytes(), c.GetPrivateKey().GetInlineBytes())
	if err != nil || s.GetName() != name || !pair.Leaf.Equal(identity.Certificate.Leaf) {
		t.Errorf("%s: %v", s.GetName(), err)
	}
}

// isBundle holds a secret to a bundle, for a SPIFFE validator or as roots alone.
func isBundle(t *testing.T, s *envoytls.Secret, name string, root *x509.Certificate, plain bool) {
	t.Helper()
	roots := s.GetValidationContext().GetTrustedCa().GetInlineBytes()
	if !plain {
		config := &envoytls.SPIFFECertValidatorConfig{}
		custom := s.GetValidationContext().GetCustomValidatorConfig()
		if err := custom.GetTypedConfig().UnmarshalTo(config); err != nil || custom.GetName() != "envoy.tls.cert_validator.spiffe" ||
			len(config.GetTrustDomains()) != 1 || config.GetTrustDomains()[0].GetName() != "agent.test" || roots != nil {
			t.Errorf("%s: %v, %v", name, custom, err)
			return
		}
		roots = config.GetTrustDomains()[0].GetTrustBundle().GetInlineBytes()
	}
	want, pool := x509.NewCertPool(), x509.NewCertPool()
	want.AddCert(root)
	if pool.AppendCertsFromPEM(roots); s.GetName() != name || !pool.Equal(want) {
		t.Errorf("%s, want %s: other roots than the bundle's", s.GetName(), name)
	}
}

// Each name has its secret; no name is a wish for both; others do not exist.
func TestNames(t *testing.T) {
	authority := agenttest.NewAuthority(t)
	identity := authority.Issue(t, "web", time.Hour)
	proxy, _ := dial(t, agenttest.NewSource(agenttest.View(identity)))
	const own, domain = "spiffe://agent.test/web", "spiffe://agent.test"
	fetch := func(node *core.Node, names ...string) ([]*envoytls.Secret, error) {
		t.Helper()
		response, err := proxy.FetchSecrets(t.Context(), &discovery.DiscoveryRequest{Node: node, ResourceNames: names})
		return unpack(t, response), err
	}
	for _, name := range []string{own, "default"} {
		got, err := fetch(nil, name)
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
		isIdentity(t, got[0], name, identity)
	}
	for _, name := range []string{domain, "ROOTCA", "ALL"} {
		got, err := fetch(nil, name)
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
		isBundle(t, got[0], name, authority.Root, false)
	}
	got, err := fetch(nil)
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	isIdentity(t, got[0], own, identity)
	isBundle(t, got[1], domain, authority.Root, false)
	for name, names := range map[string][]string{
		"another workload": {"spiffe://agent.test/db"}, "another domain": {"spiffe://other.test"}, "one good": {"default", "x"}, "none": {""},
		"too many": slices.Repeat([]string{"default"}, 17),
	} {
		if _, err := fetch(nil, names...); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := proxy.FetchSecrets(t.Context(), &discovery.DiscoveryRequest{TypeUrl: "type.googleapis.com/envoy.config.cluster.v3.Cluster"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("another type: %v", err)
	}
	delta, err := proxy.DeltaSecrets(t.Context())
	if err == nil {
		_, err = delta.Recv()
	}
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("the incremental protocol: %v", err)
	}
	version := func(major, minor uint32) *core.Node {
		return &core.Node{UserAgentVersionType: &core.Node_UserAgentBuildVersion{UserAgentBuildVersion: &core.BuildVersion{
			Version: &envoytype.SemanticVersion{MajorNumber: major, MinorNumber: minor}}}}
	}
	says := func(value *structpb.Value) *core.Node {
		return &core.Node{Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{"disable_spiffe_cert_validation": value}}}
	}
	for name, test := range map[string]struct {
		node  *core.Node
		plain bool
	}{
		"1.17": {version(1, 17), true}, "1.18": {version(1, 18), false}, "2.0": {version(2, 0), false},
		"true": {says(structpb.NewBoolValue(true)), true}, "false": {says(structpb.NewBoolValue(false)), false},
		"a text": {says(structpb.NewStringValue("true")), true}, "another": {says(structpb.NewStringValue("yes")), false},
	} {
		got, err := fetch(test.node, "ROOTCA")
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		isBundle(t, got[0], "ROOTCA", authority.Root, test.plain)
	}
}

// talk is a proxy's side of a stream.
type talk struct {
	t      *testing.T
	stream secret.SecretDiscoveryService_StreamSecretsClient
}

func begin(t *testing.T, proxy secret.SecretDiscoveryServiceClient) talk {
	t.Helper()
	stream, err := proxy.StreamSecrets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return talk{t, stream}
}

func (x talk) say(request *discovery.DiscoveryRequest) {
	x.t.Helper()
	if err := x.stream.Send(request); err != nil {
		x.t.Fatal(err)
	}
}

func (x talk) hear() (*discovery.DiscoveryResponse, []*envoytls.Secret) {
	x.t.Helper()
	response, err := x.stream.Recv()
	if err != nil {
		x.t.Fatal(err)
	}
	return response, unpack(x.t, response)
}

func (x talk) acknowledge(response *discovery.DiscoveryResponse, names ...string) {
	x.t.Helper()
	x.say(&discovery.DiscoveryRequest{VersionInfo: response.GetVersionInfo(), ResponseNonce: response.GetNonce(), ResourceNames: names})
}

// A stream answers at once, again with each identity, with other names when these
// change, and not to acknowledgements or to what was overtaken.
func TestStream(t *testing.T) {
	authority := agenttest.NewAuthority(t)
	first, second, third := authority.Issue(t, "web", time.Hour), authority.Issue(t, "web", time.Hour), authority.Issue(t, "web", time.Hour)
	source := agenttest.NewSource(&agent.View{Status: agent.Status{State: agent.Starting}})
	proxy, log := dial(t, source)
	x := begin(t, proxy)
	x.say(&discovery.DiscoveryRequest{ResourceNames: []string{"default"}})
	source.Set(agenttest.View(first)) // it waited for the first attempt
	one, secrets := x.hear()
	isIdentity(t, secrets[0], "default", first)
	x.acknowledge(one, "default")
	source.Set(agenttest.View(second))
	two, secrets := x.hear()
	isIdentity(t, secrets[0], "default", second)
	if two.GetVersionInfo() == one.GetVersionInfo() || two.GetNonce() == one.GetNonce() {
		t.Error("the second answer has the version or the nonce of the first")
	}
	x.acknowledge(one, "ROOTCA") // overtaken: nothing comes of it
	x.say(&discovery.DiscoveryRequest{VersionInfo: one.GetVersionInfo(), ResponseNonce: two.GetNonce(), ResourceNames: []string{"default"},
		ErrorDetail: &rpcstatus.Status{Message: "do not like it"}})
	x.acknowledge(two, "default", "ROOTCA")
	_, secrets = x.hear()
	if len(secrets) != 2 {
		t.Fatalf("%d secrets", len(secrets))
	}
	isIdentity(t, secrets[0], "default", second)
	isBundle(t, secrets[1], "ROOTCA", authority.Root, false)
	if !strings.Contains(log.String(), "do not like it") {
		t.Errorf("a rejection is not logged: %s", log)
	}
	source.Set(agenttest.View(third))
	_, secrets = x.hear()
	isIdentity(t, secrets[0], "default", third)
	source.Set(&agent.View{Status: agent.Status{State: agent.Denied}})
	_, secrets = x.hear()
	isVoid(t, secrets, "default")
	if _, err := x.stream.Recv(); status.Code(err) != codes.PermissionDenied {
		t.Errorf("withdrawn: %v", err)
	}
}

// isVoid holds the only secret to be a pair that a proxy takes and nobody accepts.
func isVoid(t *testing.T, secrets []*envoytls.Secret, name string) {
	t.Helper()
	if len(secrets) != 1 || secrets[0].GetName() != name {
		t.Fatalf("withdrawn: %v", secrets)
	}
	c := secrets[0].GetTlsCertificate()
	pair, err := tls.X509KeyPair(c.GetCertificateChain().GetInlineBytes(), c.GetPrivateKey().GetInlineBytes())
	if err != nil {
		t.Fatal(err)
	}
	if len(pair.Leaf.URIs)+len(pair.Leaf.DNSNames) != 0 || pair.Leaf.NotAfter.After(time.Now()) || !bytes.Equal(pair.Leaf.RawIssuer, pair.Leaf.RawSubject) {
		t.Errorf("withdrawn: %+v", pair.Leaf)
	}
}

// What is withdrawn is taken from proxies: those that have it, and those that ask again, who may
// have it from before the agent began anew. What only ended is not: it is of no use.
func TestWithdrawnIdentityIsTakenBack(t *testing.T) {
	identity := agenttest.NewAuthority(t).Issue(t, "web", time.Hour)
	for _, state := range []agent.State{agent.Denied, agent.Revoked, agent.Degraded} {
		source := agenttest.NewSource(agenttest.View(identity))
		proxy, _ := dial(t, source)
		unnamed, bundle := begin(t, proxy), begin(t, proxy)
		unnamed.say(&discovery.DiscoveryRequest{})
		bundle.say(&discovery.DiscoveryRequest{ResourceNames: []string{"ROOTCA"}})
		unnamed.hear()
		bundle.hear()
		source.Set(&agent.View{Status: agent.Status{State: state}})
		again := begin(t, proxy)
		again.say(&discovery.DiscoveryRequest{ResourceNames: []string{"spiffe://agent.test/web"}})
		code := codes.Unavailable
		if state.Final() {
			code = codes.PermissionDenied
			for _, x := range []talk{unnamed, again} {
				_, secrets := x.hear()
				isVoid(t, secrets, "spiffe://agent.test/web")
			}
		}
		for who, x := range map[string]talk{"unnamed": unnamed, "bundle": bundle, "again": again} {
			if _, err := x.stream.Recv(); status.Code(err) != code {
				t.Errorf("%s, %s: %v", state, who, err)
			}
		}
	}
}

// A machine that attests as another workload has the first one's identity no more, and neither has
// a proxy that asked for it by its name.
func TestAttack_B16_NameOfBefore(t *testing.T) {
	authority := agenttest.NewAuthority(t)
	source := agenttest.NewSource(agenttest.View(authority.Issue(t, "web", time.Hour)))
	proxy, _ := dial(t, source)
	x := begin(t, proxy)
	x.say(&discovery.DiscoveryRequest{ResourceNames: []string{"spiffe://agent.test/web"}})
	x.hear()
	source.Set(agenttest.View(authority.Issue(t, "other", time.Hour)))
	_, secrets := x.hear()
	isVoid(t, secrets, "spiffe://agent.test/web")
}

// Other trust domains have their own roots, which never verify anybody else's; one that is not
// federated with any more verifies nobody. Lists of what is revoked go to who can use them.
func TestFederation(t *testing.T) {
	authority, other := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
	partner, gone := spiffeid.RequireTrustDomainFromString("partner.test"), spiffeid.RequireTrustDomainFromString("gone.test")
	identity := *authority.Issue(t, "web", time.Hour)
	identity.Federated = []*spiffebundle.Bundle{spiffebundle.New(gone), spiffebundle.FromX509Authorities(partner, []*x509.Certificate{other.Root})}
	identity.Lists = [][]byte{{1, 2, 3}}
	source := agenttest.NewSource(agenttest.View(&identity))
	proxy, _ := dial(t, source)
	x := begin(t, proxy)
	x.say(&discovery.DiscoveryRequest{ResourceNames: []string{"ALL", "spiffe://partner.test", "spiffe://gone.test"}})
	_, secrets := x.hear()
	believed := func(s *envoytls.Secret) (names []string) {
		config := &envoytls.SPIFFECertValidatorConfig{}
		if err := s.GetValidationContext().GetCustomValidatorConfig().GetTypedConfig().UnmarshalTo(config); err != nil {
			t.Fatal(err)
		}
		for _, domain := range config.GetTrustDomains() {
			names = append(names, domain.GetName())
		}
		return names
	}
	if all, one := believed(secrets[0]), believed(secrets[1]); !slices.Equal(all, []string{"agent.test", "partner.test"}) || !slices.Equal(one, []string{"partner.test"}) {
		t.Errorf("believed are %v, and %v", all, one)
	}
	nobody(t, secrets[2])
	without := identity
	without.Federated = nil
	source.Set(agenttest.View(&without))
	_, secrets = x.hear()
	nobody(t, secrets[1])
	plain := &core.Node{Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{"disable_spiffe_cert_validation": structpb.NewBoolValue(true)}}}
	for name, want := range map[string]bool{"ROOTCA": true, "ALL": true, "spiffe://partner.test": false} {
		source.Set(agenttest.View(&identity))
		response, err := proxy.FetchSecrets(t.Context(), &discovery.DiscoveryRequest{Node: plain, ResourceNames: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		c := unpack(t, response)[0].GetValidationContext()
		if block, _ := pem.Decode(c.GetCrl().GetInlineBytes()); (block != nil && bytes.Equal(block.Bytes, identity.Lists[0])) != want || c.GetOnlyVerifyLeafCertCrl() != want {
			t.Errorf("%s has the lists %v", name, c.GetCrl())
		}
	}
}

// nobody holds a secret to be roots below which there is nobody.
func nobody(t *testing.T, s *envoytls.Secret) {
	t.Helper()
	block, _ := pem.Decode(s.GetValidationContext().GetTrustedCa().GetInlineBytes())
	if block == nil {
		t.Fatalf("%v", s)
	}
	if root, err := x509.ParseCertificate(block.Bytes); err != nil || root.IsCA || root.NotAfter.After(time.Now()) {
		t.Errorf("%v, %+v", err, root)
	}
}

// What a stream cannot answer ends it, and a proxy that is done ends it well.
func TestStreamEnds(t *testing.T) {
	source := agenttest.NewSource(agenttest.View(agenttest.NewAuthority(t).Issue(t, "web", time.Hour)))
	proxy, _ := dial(t, source)
	for name, request := range map[string]*discovery.DiscoveryRequest{
		"another name": {ResourceNames: []string{"x"}}, "another type": {TypeUrl: "x"},
	} {
		x := begin(t, proxy)
		x.say(request)
		if _, err := x.stream.Recv(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	x := begin(t, proxy)
	x.say(&discovery.DiscoveryRequest{})
	x.hear()
	if err := x.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := x.stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("a proxy that is done: %v", err)
	}
	source.Set(&agent.View{Status: agent.Status{State: agent.Degraded}})
	y := begin(t, proxy)
	y.say(&discovery.DiscoveryRequest{})
	if _, err := y.stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("without an identity: %v", err)
	}
	if _, err := proxy.FetchSecrets(t.Context(), &discovery.DiscoveryRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("without an identity: %v", err)
	}
}
