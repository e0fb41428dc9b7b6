// Package local is the identity of the machine that the caller runs on, from the agent
// there (quotary-agent), with the key wherever the agent has it: also in the TPM, which no
// key leaves. The agent signs; the caller gets a certificate to use in TLS:
//
//	source, err := local.Dial("/run/quotary-agent/api.sock")
//	config := &tls.Config{GetCertificate: source.GetCertificate, …}
//
// Where keys are in memory, the SPIFFE Workload API on the same socket, and any library for
// it, does as well. Start at [Dial].
package local

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// The agent's own service and its methods, in gRPC's terms. Their messages are
// google.protobuf.Struct, and google.protobuf.Empty for a request that says nothing.
const (
	Service        = "quotary.agent.v1.Agent"
	MethodStatus   = "Status"
	MethodIdentity = "Identity"
	MethodSign     = "Sign"
)

// The members of these messages.
const (
	FieldSPIFFEID    = "spiffe_id"
	FieldChain       = "chain"       // PEM, leaf first
	FieldAuthorities = "authorities" // PEM
	FieldSimulated   = "simulated"
	FieldKeySHA256   = "key_sha256" // of the SubjectPublicKeyInfo, hex
	FieldDigest      = "digest"     // SHA-256, base64
	FieldSignature   = "signature"  // ASN.1, base64
)

// Source is an agent. It is safe for concurrent use.
type Source struct{ conn *grpc.ClientConn }

// Identity is what the agent has now.
type Identity struct {
	SPIFFEID string
	// Certificate is the X509-SVID with its chain; its key is the agent's, which signs.
	Certificate *tls.Certificate
	// Roots verify the certificates of the trust domain's other members.
	Roots *x509.CertPool
	// Simulated says that the identity rests on simulated evidence: it proves nothing.
	Simulated bool
}

// Dial returns the agent at a socket. It connects when it is first asked.
func Dial(socket string) (*Source, error) {
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return nil, err
	}
	return &Source{conn}, nil
}

// Close ends the connection.
func (s *Source) Close() error { return s.conn.Close() }

// Identity asks the agent for the identity that it has now. The error has a gRPC status:
// PermissionDenied where the machine was refused, its identity was revoked, or the caller may
// not ask, Unavailable where there is no identity yet, or any more.
func (s *Source) Identity(ctx context.Context) (*Identity, error) {
	answer := &structpb.Struct{}
	if err := s.conn.Invoke(ctx, "/"+Service+"/"+MethodIdentity, &emptypb.Empty{}, answer); err != nil {
		return nil, err
	}
	fields := answer.GetFields()
	id := &Identity{SPIFFEID: fields[FieldSPIFFEID].GetStringValue(), Roots: x509.NewCertPool(), Simulated: fields[FieldSimulated].GetBoolValue()}
	if !id.Roots.AppendCertsFromPEM([]byte(fields[FieldAuthorities].GetStringValue())) {
		return nil, errAnswer
	}
	chain := &tls.Certificate{}
	for rest := []byte(fields[FieldChain].GetStringValue()); len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errAnswer
		}
		chain.Certificate = append(chain.Certificate, block.Bytes)
	}
	if len(chain.Certificate) == 0 {
		return nil, errAnswer
	}
	var err error
	if chain.Leaf, err = x509.ParseCertificate(chain.Certificate[0]); err != nil {
		return nil, errAnswer
	}
	public, ok := chain.Leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, errAnswer
	}
	chain.PrivateKey = &signer{s, public, sha256.Sum256(chain.Leaf.RawSubjectPublicKeyInfo)}
	id.Certificate = chain
	return id, nil
}

var errAnswer = errors.New("local: the agent's answer cannot be used")

// GetCertificate is for tls.Config: each connection gets the identity of its time.
func (s *Source) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return s.certificate(hello.Context())
}

// GetClientCertificate is for tls.Config, likewise.
func (s *Source) GetClientCertificate(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return s.certificate(request.Context())
}

func (s *Source) certificate(ctx context.Context) (*tls.Certificate, error) {
	id, err := s.Identity(ctx)
	if err != nil {
		return nil, err
	}
	return id.Certificate, nil
}

// signer is a key that the agent has.
type signer struct {
	source *Source
	public *ecdsa.PublicKey
	sum    [sha256.Size]byte // of its SubjectPublicKeyInfo
}

func (k *signer) Public() crypto.PublicKey { return k.public }

// Sign has the agent sign a SHA-256 digest. Once the agent has renewed its identity, it
// does not sign with the key of the last one.
func (k *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.SHA256 || len(digest) != sha256.Size {
		return nil, fmt.Errorf("local: the agent signs SHA-256 digests, not %v", opts.HashFunc())
	}
	request, err := structpb.NewStruct(map[string]any{
		FieldKeySHA256: hex.EncodeToString(k.sum[:]), FieldDigest: base64.StdEncoding.EncodeToString(digest),
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), signTimeout)
	defer cancel()
	answer := &structpb.Struct{}
	if err := k.source.conn.Invoke(ctx, "/"+Service+"/"+MethodSign, request, answer); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(answer.GetFields()[FieldSignature].GetStringValue())
}
