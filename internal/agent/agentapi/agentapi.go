// Package agentapi is the agent's own service on its socket: its status, for people and
// their tools; its identity without the key, and signatures by that key, for workloads on a
// machine whose keys live in the TPM (package client/local); and gRPC's health protocol,
// for supervisors. Messages are JSON objects in well-known types, so that any gRPC client
// can use it without generated code:
//
//	service quotary.agent.v1.Agent {
//	  rpc Status(google.protobuf.Empty) returns (google.protobuf.Struct);
//	  rpc Identity(google.protobuf.Empty) returns (google.protobuf.Struct);
//	  rpc Sign(google.protobuf.Struct) returns (google.protobuf.Struct);
//	}
//
// Start at [Register] and [Fetch].
package agentapi

import (
	"context"
	"encoding/json"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/quotary/quotary/client/local"
	"github.com/quotary/quotary/internal/agent"
)

// Source is whose status it is: an *agent.Agent.
type Source interface {
	Current() (*agent.View, <-chan struct{})
}

// Register has services answer for source.
func Register(services grpc.ServiceRegistrar, source Source) {
	places := make(chan struct{}, maxSigning)
	services.RegisterService(&grpc.ServiceDesc{
		ServiceName: local.Service, HandlerType: (*any)(nil), Metadata: "internal/agent/agentapi",
		Methods: []grpc.MethodDesc{
			method(local.MethodStatus, func(_ context.Context, s Source, _ *emptypb.Empty) (*structpb.Struct, error) {
				view, _ := s.Current()
				return encode(view.Status)
			}),
			method(local.MethodIdentity, identify),
			method(local.MethodSign, func(ctx context.Context, s Source, request *structpb.Struct) (*structpb.Struct, error) {
				select {
				case places <- struct{}{}:
					defer func() { <-places }()
				case <-ctx.Done():
					return nil, status.FromContextError(ctx.Err()).Err()
				}
				return sign(s, request)
			}),
		},
	}, source)
	healthpb.RegisterHealthServer(services, &health{source: source})
}

// method describes a method of the service, as generated code does.
func method[Request any](name string, answer func(context.Context, Source, *Request) (*structpb.Struct, error)) grpc.MethodDesc {
	handle := func(service any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
		request := new(Request)
		if err := decode(request); err != nil {
			return nil, err
		}
		last := func(ctx context.Context, _ any) (any, error) { return answer(ctx, service.(Source), request) }
		if intercept == nil {
			return last(ctx, request)
		}
		return intercept(ctx, request, &grpc.UnaryServerInfo{Server: service, FullMethod: "/" + local.Service + "/" + name}, last)
	}
	return grpc.MethodDesc{MethodName: name, Handler: handle}
}

// encode makes a message of a status.
func encode(s agent.Status) (*structpb.Struct, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	out := &structpb.Struct{}
	return out, protojson.Unmarshal(text, out)
}

// Fetch asks the agent at a socket for its status. The error has a gRPC status.
func Fetch(ctx context.Context, socket string) (*agent.Status, error) {
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answer := &structpb.Struct{}
	if err := conn.Invoke(ctx, "/"+local.Service+"/"+local.MethodStatus, &emptypb.Empty{}, answer); err != nil {
		return nil, err
	}
	text, err := protojson.Marshal(answer)
	if err != nil {
		return nil, err
	}
	s := &agent.Status{}
	return s, json.Unmarshal(text, s)
}

// health implements the protocol grpc.health.v1: serving is to have an identity.
type health struct {
	healthpb.UnimplementedHealthServer
	source Source
}

// Check answers at once.
func (h *health) Check(_ context.Context, request *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if request.GetService() != "" && request.GetService() != local.Service {
		return nil, status.Error(codes.NotFound, "there is no such service")
	}
	view, _ := h.source.Current()
	return &healthpb.HealthCheckResponse{Status: serving(view)}, nil
}

// Watch answers at once and with each change.
func (h *health) Watch(request *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	last := healthpb.HealthCheckResponse_UNKNOWN
	for {
		view, changed := h.source.Current()
		now := serving(view)
		if request.GetService() != "" && request.GetService() != local.Service {
			now = healthpb.HealthCheckResponse_SERVICE_UNKNOWN
		}
		if now != last {
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
			last = now
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

func serving(view *agent.View) healthpb.HealthCheckResponse_ServingStatus {
	if view.Identity == nil {
		return healthpb.HealthCheckResponse_NOT_SERVING
	}
	return healthpb.HealthCheckResponse_SERVING
}
