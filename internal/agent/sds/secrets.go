package sds

import (
	"strconv"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/quotary/quotary/internal/agent"
)

// secretType is the type of all resources here.
const secretType = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"

// The names besides SPIFFE IDs, which proxies' configurations for SPIFFE have.
const (
	nameIdentity = "default"
	nameBundle   = "ROOTCA"
	nameBundles  = "ALL"
)

// validator is Envoy's verifier of X509-SVIDs.
const validator = "envoy.tls.cert_validator.spiffe"

// answer makes the response to a wish. No names are a wish for everything. last is what the proxy
// has; nil for nothing.
func answer(last, identity *agent.Identity, w wish, version uint64) (*discovery.DiscoveryResponse, error) {
	names := w.names
	if len(names) == 0 {
		names = []string{identity.ID.String(), identity.ID.TrustDomain().IDString()}
	}
	response := newResponse(version)
	for _, name := range names {
		s, err := secretOf(name, last, identity, w.plain)
		if err == nil {
			err = add(response, s)
		}
		if err != nil {
			return nil, err
		}
	}
	return response, nil
}

func newResponse(version uint64) *discovery.DiscoveryResponse {
	number := strconv.FormatUint(version, 10)
	return &discovery.DiscoveryResponse{TypeUrl: secretType, VersionInfo: number, Nonce: number}
}

func add(response *discovery.DiscoveryResponse, s *tls.Secret) error {
	resource, err := wrap(s)
	if err == nil {
		response.Resources = append(response.Resources, resource)
	}
	return err
}

// secretOf is the secret of a name.
func secretOf(name string, last, identity *agent.Identity, plain bool) (*tls.Secret, error) {
	switch name {
	case nameIdentity, identity.ID.String():
		return certificate(name, identity)
	case nameBundle, identity.ID.TrustDomain().IDString():
		return validation(name, identity, plain, identity.Bundle)
	case nameBundles:
		return validation(name, identity, plain, append([]*spiffebundle.Bundle{identity.Bundle}, identity.Federated...)...)
	}
	if bundle := federated(identity, name); bundle != nil {
		return validation(name, identity, plain, bundle)
	}
	if last != nil && federated(last, name) != nil { // there is no federation with it any more
		return voidValidation(name)
	}
	if last != nil && last.ID.String() == name { // the machine is another now
		return voidCertificate(name)
	}
	return nil, status.Errorf(codes.InvalidArgument, "there is no secret %q; there are %s, %s, %s, %s, %s and the trust domains that are federated with",
		name, identity.ID, nameIdentity, identity.ID.TrustDomain().IDString(), nameBundle, nameBundles)
}

// federated is the bundle of another trust domain; nil if there is none.
func federated(identity *agent.Identity, name string) *spiffebundle.Bundle {
	for _, bundle := range identity.Federated {
		if bundle.TrustDomain().IDString() == name {
			return bundle
		}
	}
	return nil
}

// certificate is the identity's certificate and key.
func certificate(name string, identity *agent.Identity) (*tls.Secret, error) {
	key, err := identity.KeyPEM()
	if err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	return certificateSecret(name, identity.ChainPEM(), key), nil
}

func certificateSecret(name string, chain, key []byte) *tls.Secret {
	return &tls.Secret{Name: name, Type: &tls.Secret_TlsCertificate{TlsCertificate: &tls.TlsCertificate{
		CertificateChain: inline(chain), PrivateKey: inline(key),
	}}}
}

// validation is what verifies peers: that they are of one of the trust domains, or, for a proxy
// that does not know SPIFFE, that their certificates end at the first one's roots. Proxies look at
// revocation lists in the second case alone: in the first they want one of each root as well.
func validation(name string, identity *agent.Identity, plain bool, bundles ...*spiffebundle.Bundle) (*tls.Secret, error) {
	if len(bundles[0].X509Authorities()) == 0 {
		return voidValidation(name)
	}
	if plain {
		context := &tls.CertificateValidationContext{TrustedCa: inline(agent.AuthoritiesPEM(bundles[0]))}
		if bundles[0] == identity.Bundle && len(identity.Lists) > 0 {
			context.Crl, context.OnlyVerifyLeafCertCrl = inline(identity.ListsPEM()), true
		}
		return contextSecret(name, context), nil
	}
	config := &tls.SPIFFECertValidatorConfig{}
	for _, bundle := range bundles {
		if roots := agent.AuthoritiesPEM(bundle); len(roots) > 0 {
			config.TrustDomains = append(config.TrustDomains, &tls.SPIFFECertValidatorConfig_TrustDomain{Name: bundle.TrustDomain().Name(), TrustBundle: inline(roots)})
		}
	}
	typed, err := wrap(config)
	if err != nil {
		return nil, err
	}
	return contextSecret(name, &tls.CertificateValidationContext{CustomValidatorConfig: &core.TypedExtensionConfig{Name: validator, TypedConfig: typed}}), nil
}

func contextSecret(name string, context *tls.CertificateValidationContext) *tls.Secret {
	return &tls.Secret{Name: name, Type: &tls.Secret_ValidationContext{ValidationContext: context}}
}

func inline(data []byte) *core.DataSource {
	return &core.DataSource{Specifier: &core.DataSource_InlineBytes{InlineBytes: data}}
}

func wrap(m proto.Message) (*anypb.Any, error) {
	wrapped, err := anypb.New(m)
	if err != nil {
		return nil, status.Error(codes.Internal, "a secret cannot be encoded")
	}
	return wrapped, nil
}

// plainMetadata is the key of a node's metadata by which proxies say that they take roots
// alone, as configurations for SPIFFE have it.
const plainMetadata = "disable_spiffe_cert_validation"

// plainly reports whether a proxy takes roots alone: it says so, or is an Envoy from
// before 1.18, which has no SPIFFE validator.
func plainly(node *core.Node) bool {
	switch value := node.GetMetadata().GetFields()[plainMetadata].GetKind().(type) {
	case *structpb.Value_BoolValue:
		if value.BoolValue {
			return true
		}
	case *structpb.Value_StringValue:
		if value.StringValue == "true" {
			return true
		}
	}
	version := node.GetUserAgentBuildVersion().GetVersion()
	return version != nil && (version.GetMajorNumber() < 1 || version.GetMajorNumber() == 1 && version.GetMinorNumber() < 18)
}
