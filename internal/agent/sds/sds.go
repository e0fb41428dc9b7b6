// Package sds serves Envoy's secret discovery service, version 3: a proxy on the machine
// asks for certificate and key, and for what verifies its peers, by name, and gets new ones
// over the same stream.
//
// Names are the machine's SPIFFE ID or "default" for certificate and key; the trust domain's
// SPIFFE ID, "ROOTCA" or "ALL" for the trust bundle. A stream whose identity is withdrawn
// ends. The incremental protocol (DeltaSecrets) is Unimplemented.
//
// Start at [Register]. The protocol is Envoy's xDS, state of the world.
package sds

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strconv"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secret "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/endpoint"
)

// Source is where identities come from: an *agent.Agent.
type Source interface {
	Current() (*agent.View, <-chan struct{})
}

// Register has services answer proxies out of source. logger is told of what they reject.
func Register(services grpc.ServiceRegistrar, source Source, logger *slog.Logger) {
	secret.RegisterSecretDiscoveryServiceServer(services, &server{source: source, logger: logger})
}

type server struct {
	secret.UnimplementedSecretDiscoveryServiceServer
	source Source
	logger *slog.Logger
}

// FetchSecrets answers once.
func (s *server) FetchSecrets(_ context.Context, request *discovery.DiscoveryRequest) (*discovery.DiscoveryResponse, error) {
	if err := check(request); err != nil {
		return nil, err
	}
	view, _ := s.source.Current()
	if view.Identity == nil {
		return nil, endpoint.Absence(view)
	}
	return answer(view.Identity, wish{names: request.GetResourceNames(), plain: plainly(request.GetNode())}, 1)
}

// wish is what a proxy wants.
type wish struct {
	names []string
	plain bool // whether it takes roots alone, rather than a SPIFFE validator
}

// session is one stream's state.
type session struct {
	*server
	stream secret.SecretDiscoveryService_StreamSecretsServer

	asked   bool            // whether there was a request yet
	wish    wish            // of the last one that counted
	sent    *agent.Identity // what was last sent
	version uint64          // and its number, which is its nonce as well
}

// StreamSecrets answers for as long as the proxy listens.
func (s *server) StreamSecrets(stream secret.SecretDiscoveryService_StreamSecretsServer) error {
	requests, ended := receive(stream)
	x := &session{server: s, stream: stream}
	for {
		view, changed := s.source.Current()
		if x.asked {
			if err := x.deliver(view); err != nil {
				return err
			}
		}
		select {
		case request := <-requests:
			if err := x.take(request); err != nil {
				return err
			}
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case <-changed:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

// receive reads requests until the stream ends, which it tells why.
func receive(stream secret.SecretDiscoveryService_StreamSecretsServer) (<-chan *discovery.DiscoveryRequest, <-chan error) {
	requests, ended := make(chan *discovery.DiscoveryRequest), make(chan error, 1)
	go func() {
		for {
			request, err := stream.Recv()
			if err != nil {
				ended <- err
				return
			}
			select {
			case requests <- request:
			case <-stream.Context().Done():
				return
			}
		}
	}()
	return requests, ended
}

// deliver sends what was not sent yet.
func (x *session) deliver(view *agent.View) error {
	switch {
	case view.Identity == nil && x.sent == nil && endpoint.Beginning(view):
		return nil // it is worth waiting for
	case view.Identity == nil:
		return endpoint.Absence(view)
	case view.Identity == x.sent:
		return nil
	}
	response, err := answer(view.Identity, x.wish, x.version+1)
	if err != nil {
		return err
	}
	x.version++
	x.sent = view.Identity
	return x.stream.Send(response)
}

// take takes a request: the first, an acknowledgement, a rejection, or a change of names.
func (x *session) take(request *discovery.DiscoveryRequest) error {
	if err := check(request); err != nil {
		return err
	}
	nonce := request.GetResponseNonce()
	if x.asked && nonce != "" && nonce != strconv.FormatUint(x.version, 10) {
		return nil // to an answer that another has overtaken
	}
	if detail := request.GetErrorDetail(); detail != nil {
		x.logger.Warn("a proxy rejected its secrets", "version", request.GetResponseNonce(), "cause", detail.GetMessage())
	}
	names := slices.Clone(request.GetResourceNames())
	if !x.asked {
		x.wish.plain = plainly(request.GetNode())
	} else if slices.Equal(names, x.wish.names) {
		return nil
	}
	x.wish.names, x.asked, x.sent = names, true, nil
	return nil
}

// check refuses requests for anything else.
func check(request *discovery.DiscoveryRequest) error {
	if url := request.GetTypeUrl(); url != "" && url != secretType {
		return status.Errorf(codes.InvalidArgument, "there are resources of type %s alone", secretType)
	}
	if len(request.GetResourceNames()) > maxNames {
		return status.Errorf(codes.InvalidArgument, "at most %d secrets can be named", maxNames)
	}
	return nil
}
