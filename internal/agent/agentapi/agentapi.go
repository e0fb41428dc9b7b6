// Package agentapi is what the agent says of itself over its socket: its status, for
// people and their tools, and gRPC's health protocol, for supervisors. The status is a
// JSON object in a message of well-known types, so that any gRPC client can ask for it
// without generated code:
//
//	service quotary.agent.v1.Agent { rpc Status(google.protobuf.Empty) returns (google.protobuf.Struct); }
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

	"github.com/quotary/quotary/internal/agent"
)

// Source is whose status it is: an *agent.Agent.
type Source interface {
	Current() (*agent.View, <-chan struct{})
}

// serviceName and methodStatus are the service's names in gRPC.
const (
	serviceName  = "quotary.agent.v1.Agent"
	methodStatus = "Status"
)

// Register has services answer for source.
func Register(services grpc.ServiceRegistrar, source Source) {
	services.RegisterService(&grpc.ServiceDesc{
		ServiceName: serviceName, HandlerType: (*any)(nil), Metadata: "internal/agent/agentapi",
		Methods: []grpc.MethodDesc{{MethodName: methodStatus, Handler: answerStatus}},
	}, source)
	healthpb.RegisterHealthServer(services, &health{source: source})
}

// answerStatus is the handler of Status, in the form that generated code has.
func answerStatus(service any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
	request := &emptypb.Empty{}
	if err := decode(request); err != nil {
		return nil, err
	}
	handle := func(context.Context, any) (any, error) {
		view, _ := service.(Source).Current()
		return encode(view.Status)
	}
	if intercept == nil {
		return handle(ctx, request)
	}
	return intercept(ctx, request, &grpc.UnaryServerInfo{Server: service, FullMethod: "/" + serviceName + "/" + methodStatus}, handle)
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
	if err := conn.Invoke(ctx, "/"+serviceName+"/"+methodStatus, &emptypb.Empty{}, answer); err != nil {
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
	if request.GetService() != "" && request.GetService() != serviceName {
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
		if request.GetService() != "" && request.GetService() != serviceName {
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
