// Package sds serves Envoy's secret discovery service, version 3: a proxy on the machine
// asks for certificate and key, and for what verifies its peers, by name, and gets new ones
// over the same stream.
//
// Names are the machine's SPIFFE ID or "default" for certificate and key; the trust domain's
// SPIFFE ID or "ROOTCA" for its bundle, another trust domain's for that one's, and "ALL" for
// all of them. The incremental protocol (DeltaSecrets) is Unimplemented.
//
// A proxy keeps a secret when its stream ends, and has no way to be told that one is gone: an
// answer without it is rejected. So a secret that is withdrawn is replaced by one that is void:
// a certificate that nobody accepts, and roots below which there is nobody.
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
	return answer(nil, view.Identity, wish{names: request.GetResourceNames(), plain: plainly(request.GetNode())}, 1)
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
	sent    *agent.Identity // what was last sent for this wish
	had     *agent.Identity // what was last sent at all
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
		if err := x.retract(view); err != nil {
			return err
		}
		return endpoint.Absence(view)
	case view.Identity == x.sent:
		return nil
	}
	response, err := answer(x.had, view.Identity, x.wish, x.version+1)
	if err != nil {
		return err
	}
	x.version++
	x.sent, x.had = view.Identity, view.Identity
	return x.stream.Send(response)
}

// retract takes certificate and key from the proxy, if the service said no: one that only ended
// is of no use to it anyway. A proxy that asks after the agent began anew has an earlier one.
func (x *session) retract(view *agent.View) error {
	if !view.Status.State.Final() {
		return nil
	}
	names := x.wish.names
	if len(names) == 0 && x.had != nil {
		names = []string{x.had.ID.String()}
	}
	response, err := void(names, x.version+1)
	if err != nil || len(response.GetResources()) == 0 {
		return err
	}
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
