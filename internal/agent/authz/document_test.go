package authz_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	extauthz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/quotary/quotary/client/authorize"
	"github.com/quotary/quotary/internal/agent/authz"
)

// decoded reads a part of a configuration of Envoy's, as Envoy does.
func decoded(t *testing.T, part any, into proto.Message) {
	t.Helper()
	text, err := json.Marshal(part)
	if err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
	if v, ok := into.(interface{ ValidateAll() error }); ok {
		if err := v.ValidateAll(); err != nil {
			t.Error(err)
		}
	}
}

// Envoy's configuration in the document is one: fails closed, and has the peer's
// certificate passed on.
func TestEnvoyConfiguration(t *testing.T) {
	var filters struct {
		HTTPFilters []any `yaml:"http_filters"`
	}
	var clusters struct {
		Clusters []any `yaml:"clusters"`
	}
	for text, into := range map[string]any{recipe(t, "yaml", "http_filters:"): &filters, recipe(t, "yaml", "clusters:"): &clusters} {
		if err := yaml.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if len(filters.HTTPFilters) != 2 || len(clusters.Clusters) != 1 {
		t.Fatalf("%+v, %+v", filters, clusters)
	}
	var filter hcm.HttpFilter
	decoded(t, filters.HTTPFilters[0], &filter)
	decoded(t, filters.HTTPFilters[1], &hcm.HttpFilter{})
	var config extauthz.ExtAuthz
	if err := filter.GetTypedConfig().UnmarshalTo(&config); err != nil {
		t.Fatal(err)
	}
	var c cluster.Cluster
	decoded(t, clusters.Clusters[0], &c)
	if !config.GetIncludePeerCertificate() || config.GetFailureModeAllow() || config.GetGrpcService().GetEnvoyGrpc().GetClusterName() != c.GetName() || config.ValidateAll() != nil {
		t.Errorf("%v, %s", &config, c.GetName())
	}
}

// The document has every key of a rule, every header and every metric.
func TestDocument(t *testing.T) {
	data, err := os.ReadFile("../../../docs/authorization.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	has := func(name string) {
		t.Helper()
		if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+name+"{") {
			t.Errorf("docs/authorization.md does not have %s", name)
		}
	}
	for _, of := range []reflect.Type{reflect.TypeFor[authorize.Rule](), reflect.TypeFor[authorize.Allow]()} {
		for field := range of.Fields() {
			has(field.Tag.Get("yaml"))
		}
	}
	for _, name := range append(authz.IdentityHeaders, authz.HeaderCode) {
		has(name)
	}
	s, err := authz.New(authz.Config{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	described := make(chan *prometheus.Desc, 8)
	s.Describe(described)
	close(described)
	for desc := range described {
		_, rest, _ := strings.Cut(desc.String(), `fqName: "`)
		name, _, _ := strings.Cut(rest, `"`)
		has(name)
	}
}
