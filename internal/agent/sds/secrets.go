package sds

import (
	"strconv"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
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

// answer makes the response to a wish. No names are a wish for everything.
func answer(identity *agent.Identity, w wish, version uint64) (*discovery.DiscoveryResponse, error) {
	names := w.names
	if len(names) == 0 {
		names = []string{identity.ID.String(), identity.ID.TrustDomain().IDString()}
	}
	number := strconv.FormatUint(version, 10)
	response := &discovery.DiscoveryResponse{TypeUrl: secretType, VersionInfo: number, Nonce: number}
	for _, name := range names {
		var s *tls.Secret
		var err error
		switch name {
		case nameIdentity, identity.ID.String():
			s, err = certificate(name, identity)
		case nameBundle, nameBundles, identity.ID.TrustDomain().IDString():
			s, err = validation(name, identity, w.plain)
		default:
			return nil, status.Errorf(codes.InvalidArgument, "there is no secret %q; there are %s, %s, %s and %s",
				name, identity.ID, nameIdentity, identity.ID.TrustDomain().IDString(), nameBundle)
		}
		if err != nil {
			return nil, err
		}
		resource, err := wrap(s)
		if err != nil {
			return nil, err
		}
		response.Resources = append(response.Resources, resource)
	}
	return response, nil
}

// certificate is the identity's certificate and key.
func certificate(name string, identity *agent.Identity) (*tls.Secret, error) {
	key, err := identity.KeyPEM()
	if err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	return &tls.Secret{Name: name, Type: &tls.Secret_TlsCertificate{TlsCertificate: &tls.TlsCertificate{
		CertificateChain: inline(identity.ChainPEM()), PrivateKey: inline(key),
	}}}, nil
}

// validation is what verifies peers: that they are of the trust domain, or, for a proxy
// that does not know SPIFFE, that their certificates end at its roots.
func validation(name string, identity *agent.Identity, plain bool) (*tls.Secret, error) {
	context := &tls.CertificateValidationContext{TrustedCa: inline(identity.AuthoritiesPEM())}
	if !plain {
		config, err := wrap(&tls.SPIFFECertValidatorConfig{TrustDomains: []*tls.SPIFFECertValidatorConfig_TrustDomain{{
			Name: identity.ID.TrustDomain().Name(), TrustBundle: inline(identity.AuthoritiesPEM()),
		}}})
		if err != nil {
			return nil, err
		}
		context = &tls.CertificateValidationContext{CustomValidatorConfig: &core.TypedExtensionConfig{Name: validator, TypedConfig: config}}
	}
	return &tls.Secret{Name: name, Type: &tls.Secret_ValidationContext{ValidationContext: context}}, nil
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
