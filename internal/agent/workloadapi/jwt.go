package workloadapi

import (
	"context"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/quotary/quotary/internal/agent"
)

// errNoJWT answers the calls of the JWT-SVID profile where the trust domain has none:
// its bundle holds no key that verifies them.
var errNoJWT = status.Error(codes.Unimplemented, "this trust domain issues no JWT-SVIDs: its bundle has no keys for them")

// FetchJWTBundles streams the keys that verify JWT-SVIDs, when they change.
func (s *server) FetchJWTBundles(_ *workload.JWTBundlesRequest, stream grpc.ServerStreamingServer[workload.JWTBundlesResponse]) error {
	return s.stream(stream.Context(), func(last, next *agent.Identity) error {
		bundle := next.Bundle.JWTBundle()
		if bundle.Empty() {
			return errNoJWT
		}
		if last != nil && last.Bundle.JWTBundle().Equal(bundle) {
			return nil
		}
		keys, err := bundle.Marshal()
		if err != nil {
			return status.Error(codes.Internal, "the trust bundle cannot be encoded")
		}
		return stream.Send(&workload.JWTBundlesResponse{Bundles: map[string][]byte{next.ID.TrustDomain().IDString(): keys}})
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
		return nil, absence(view)
	}
	bundle := view.Identity.Bundle.JWTBundle()
	if bundle.Empty() {
		return nil, errNoJWT
	}
	svid, err := jwtsvid.ParseAndValidate(request.GetSvid(), bundle, []string{request.GetAudience()})
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	claims, err := structpb.NewStruct(svid.Claims)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "the token's claims cannot be passed on")
	}
	return &workload.ValidateJWTSVIDResponse{SpiffeId: svid.ID.String(), Claims: claims}, nil
}
