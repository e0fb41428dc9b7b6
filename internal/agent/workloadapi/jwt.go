package workloadapi

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	spiffejwt "github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/endpoint"
	"github.com/quotary/quotary/internal/agent/jwtsvid"
)

// errNoJWT answers the calls of the JWT-SVID profile where the trust domain has none:
// its bundle holds no key that verifies them.
var errNoJWT = status.Error(codes.Unimplemented, "this trust domain issues no JWT-SVIDs: its bundle has no keys for them")

// FetchJWTSVID returns a JWT-SVID of the machine's identity for the audiences.
func (s *server) FetchJWTSVID(ctx context.Context, request *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	if err := checkHeader(ctx); err != nil {
		return nil, err
	}
	if err := checkAudience(request.GetAudience()); err != nil {
		return nil, err
	}
	for {
		view, _ := s.source.Current()
		response, err := s.token(ctx, view, request)
		// Attesting takes a while: an identity that was withdrawn or replaced meanwhile has no tokens any more.
		if now, _ := s.source.Current(); err != nil || certificateOf(now) == certificateOf(view) {
			return response, err
		}
	}
}

// certificateOf is a view's certificate; nil if there is none.
func certificateOf(view *agent.View) *tls.Certificate {
	if view.Identity == nil {
		return nil
	}
	return view.Identity.Certificate
}

// token returns a JWT-SVID of what the agent has.
func (s *server) token(ctx context.Context, view *agent.View, request *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	if view.Identity == nil {
		return nil, endpoint.Absence(view)
	}
	id := view.Identity.ID.String()
	if wanted := request.GetSpiffeId(); wanted != "" && wanted != id {
		return nil, status.Error(codes.PermissionDenied, "this machine does not have that SPIFFE ID")
	}
	if view.Identity.Bundle.JWTBundle().Empty() {
		return nil, errNoJWT
	}
	got, err := s.tokens.Fetch(ctx, view.Identity, request.GetAudience())
	if err != nil {
		return nil, explain(ctx, err)
	}
	return &workload.JWTSVIDResponse{Svids: []*workload.JWTSVID{{SpiffeId: id, Svid: got.Token}}}, nil
}

// checkAudience refuses audiences that the service would refuse.
func checkAudience(audience []string) error {
	if len(audience) == 0 || len(audience) > maxAudiences {
		return status.Errorf(codes.InvalidArgument, "a JWT-SVID is for 1 to %d audiences", maxAudiences)
	}
	for _, a := range audience {
		if a == "" || len(a) > maxAudience {
			return status.Errorf(codes.InvalidArgument, "an audience has 1 to %d characters", maxAudience)
		}
	}
	return nil
}

// explain makes a status of why there is no token.
func explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return status.FromContextError(ctx.Err()).Err()
	case errors.Is(err, jwtsvid.ErrTooMany):
		return status.Error(codes.ResourceExhausted, err.Error())
	case agent.Refused(err):
		return status.Error(codes.PermissionDenied, "this machine was refused a JWT-SVID")
	}
	return status.Error(codes.Unavailable, "nobody issues a JWT-SVID now")
}

// FetchJWTBundles streams the keys that verify JWT-SVIDs, those of other trust domains
// included, when they change.
func (s *server) FetchJWTBundles(_ *workload.JWTBundlesRequest, stream grpc.ServerStreamingServer[workload.JWTBundlesResponse]) error {
	var last *workload.JWTBundlesResponse
	return s.stream(stream.Context(), func(identity *agent.Identity) error {
		if identity.Bundle.JWTBundle().Empty() {
			return errNoJWT
		}
		next := &workload.JWTBundlesResponse{Bundles: map[string][]byte{}}
		for _, bundle := range append([]*spiffebundle.Bundle{identity.Bundle}, identity.Federated...) {
			if bundle.JWTBundle().Empty() {
				continue
			}
			keys, err := bundle.JWTBundle().Marshal()
			if err != nil {
				return status.Error(codes.Internal, "a trust bundle cannot be encoded")
			}
			next.Bundles[bundle.TrustDomain().IDString()] = keys
		}
		if proto.Equal(last, next) {
			return nil
		}
		last = next
		return stream.Send(next)
	})
}

// ValidateJWTSVID verifies a JWT-SVID for a workload that does not do so itself.
func (s *server) ValidateJWTSVID(ctx context.Context, request *workload.ValidateJWTSVIDRequest) (*workload.ValidateJWTSVIDResponse, error) {
	if err := checkHeader(ctx); err != nil {
		return nil, err
	}
	if request.GetAudience() == "" || request.GetSvid() == "" {
		return nil, status.Error(codes.InvalidArgument, "the token, and the audience that it must be for, are needed")
	}
	view, _ := s.source.Current()
	if view.Identity == nil {
		return nil, endpoint.Absence(view)
	}
	if view.Identity.Bundle.JWTBundle().Empty() {
		return nil, errNoJWT
	}
	bundles := jwtbundle.NewSet(view.Identity.Bundle.JWTBundle())
	for _, bundle := range view.Identity.Federated {
		bundles.Add(bundle.JWTBundle())
	}
	svid, err := spiffejwt.ParseAndValidate(request.GetSvid(), bundles, []string{request.GetAudience()})
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	claims, err := structpb.NewStruct(svid.Claims)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "the token's claims cannot be passed on")
	}
	return &workload.ValidateJWTSVIDResponse{SpiffeId: svid.ID.String(), Claims: claims}, nil
}
