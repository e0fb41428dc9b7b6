// Package workloadapi serves the SPIFFE Workload API: whoever may call the agent's
// socket gets the machine's identity, and a new one over the same stream as soon as the
// agent has it.
//
// A stream is answered with Unavailable while there is no identity because nothing
// answered, and with PermissionDenied where the machine was refused; clients come back in
// both cases. An identity that is withdrawn ends the streams that delivered it.
//
// Start at [Register]. The standards are SPIFFE Workload API and SPIFFE Workload Endpoint.
package workloadapi

import (
	"context"
	"slices"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/endpoint"
)

// Source is where identities come from: an *agent.Agent.
type Source interface {
	Current() (*agent.View, <-chan struct{})
}

// Tokens is where JWT-SVIDs of an identity come from: a *jwtsvid.Tokens.
type Tokens interface {
	Fetch(ctx context.Context, identity *agent.Identity, audience []string) (*client.JWTSVID, error)
}

// Register has services answer the Workload API out of source and tokens.
func Register(services grpc.ServiceRegistrar, source Source, tokens Tokens) {
	workload.RegisterSpiffeWorkloadAPIServer(services, &server{source: source, tokens: tokens})
}

// server answers. Calls that it does not have are Unimplemented.
type server struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	source Source
	tokens Tokens
}

// FetchX509SVID streams the identity with its key and all bundles. Other lists of what is revoked
// alone are no reason to send the key again, which clients take for a rotation: they come with the
// next message, and with FetchX509Bundles at once.
func (s *server) FetchX509SVID(_ *workload.X509SVIDRequest, stream grpc.ServerStreamingServer[workload.X509SVIDResponse]) error {
	var last *agent.Identity
	return s.stream(stream.Context(), func(identity *agent.Identity) error {
		if last != nil && alike(last, identity) {
			return nil
		}
		last = identity
		key, err := identity.PrivateKey()
		if err != nil {
			return status.Error(codes.FailedPrecondition, err.Error())
		}
		return stream.Send(&workload.X509SVIDResponse{
			Svids: []*workload.X509SVID{{
				SpiffeId: identity.ID.String(), X509Svid: identity.Chain(), X509SvidKey: key, Bundle: agent.Authorities(identity.Bundle),
			}},
			FederatedBundles: federated(identity), Crl: identity.Lists,
		})
	})
}

// alike reports whether two identities have all in common but the lists of what is revoked.
func alike(a, b *agent.Identity) bool {
	return a.Certificate == b.Certificate && a.Bundle.Equal(b.Bundle) && slices.EqualFunc(a.Federated, b.Federated, (*spiffebundle.Bundle).Equal)
}

// federated are the X.509 authorities of other trust domains. One without any has none to
// believe.
func federated(identity *agent.Identity) map[string][]byte {
	bundles := map[string][]byte{}
	for _, bundle := range identity.Federated {
		if der := agent.Authorities(bundle); len(der) > 0 {
			bundles[bundle.TrustDomain().IDString()] = der
		}
	}
	return bundles
}

// FetchX509Bundles streams the bundles alone, when they change.
func (s *server) FetchX509Bundles(_ *workload.X509BundlesRequest, stream grpc.ServerStreamingServer[workload.X509BundlesResponse]) error {
	var last *workload.X509BundlesResponse
	return s.stream(stream.Context(), func(identity *agent.Identity) error {
		next := &workload.X509BundlesResponse{Bundles: federated(identity), Crl: identity.Lists}
		next.Bundles[identity.ID.TrustDomain().IDString()] = agent.Authorities(identity.Bundle)
		if proto.Equal(last, next) {
			return nil
		}
		last = next
		return stream.Send(next)
	})
}

// stream calls send with each identity, until the caller goes or there is none.
func (s *server) stream(ctx context.Context, send func(*agent.Identity) error) error {
	if err := checkHeader(ctx); err != nil {
		return err
	}
	var last *agent.Identity
	for {
		view, changed := s.source.Current()
		switch {
		case view.Identity != nil && view.Identity != last:
			if err := send(view.Identity); err != nil {
				return err
			}
			last = view.Identity
		case view.Identity == nil && (last != nil || !endpoint.Beginning(view)):
			return endpoint.Absence(view)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

// header marks calls that are meant for a Workload API: a browser that was tricked into
// calling cannot set it (SPIFFE Workload Endpoint §5).
const header = "workload.spiffe.io"

func checkHeader(ctx context.Context) error {
	values, _ := metadata.FromIncomingContext(ctx)
	if !slices.Equal(values.Get(header), []string{"true"}) {
		return status.Errorf(codes.InvalidArgument, "the call needs the metadata %s: true, once", header)
	}
	return nil
}
