package agentapi

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/quotary/quotary/client/local"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/endpoint"
)

// identify returns the identity without its key.
func identify(_ context.Context, s Source, _ *emptypb.Empty) (*structpb.Struct, error) {
	view, _ := s.Current()
	if view.Identity == nil {
		return nil, endpoint.Absence(view)
	}
	return structpb.NewStruct(map[string]any{
		local.FieldSPIFFEID: view.Identity.ID.String(), local.FieldChain: string(view.Identity.ChainPEM()), local.FieldAuthorities: string(agent.AuthoritiesPEM(view.Identity.Bundle)),
		local.FieldSimulated: view.Identity.Simulated,
	})
}

// sign signs a digest with the identity's key. The request names the key: a caller that
// has the certificate of an identity that was renewed is told so.
func sign(s Source, request *structpb.Struct) (*structpb.Struct, error) {
	view, _ := s.Current()
	if view.Identity == nil {
		return nil, endpoint.Absence(view)
	}
	fields := request.GetFields()
	digest, err := base64.StdEncoding.Strict().DecodeString(fields[local.FieldDigest].GetStringValue())
	if err != nil || len(digest) != sha256.Size {
		return nil, status.Error(codes.InvalidArgument, "digest is a SHA-256 in base64")
	}
	own := sha256.Sum256(view.Identity.Certificate.Leaf.RawSubjectPublicKeyInfo)
	if fields[local.FieldKeySHA256].GetStringValue() != hex.EncodeToString(own[:]) {
		return nil, status.Error(codes.NotFound, "the agent does not have this key, or any more; ask for the identity again")
	}
	key, ok := view.Identity.Certificate.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, status.Error(codes.Internal, "the key cannot sign")
	}
	signature, err := key.Sign(rand.Reader, digest, crypto.SHA256)
	if err != nil {
		return nil, status.Error(codes.Unavailable, "the key does not sign now: "+err.Error())
	}
	return structpb.NewStruct(map[string]any{local.FieldSignature: base64.StdEncoding.EncodeToString(signature)})
}
