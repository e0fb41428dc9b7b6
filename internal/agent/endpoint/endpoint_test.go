package endpoint_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/endpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func socket(t *testing.T) string {
	t.Helper()
	return filepath.Join(agenttest.ShortDir(t), "api.sock")
}

// asked is a service that notes who called, and has a fault for one question.
type asked struct {
	*health.Server
	caller chan endpoint.Caller
}

const faulty = "fault"

func (a asked) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if r.GetService() == faulty {
		panic("so")
	}
	caller, _ := endpoint.CallerOf(ctx)
	a.caller <- caller
	return a.Server.Check(ctx, r)
}

func serve(t *testing.T, c endpoint.Config) (asked, func()) {
	t.Helper()
	e, err := endpoint.Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	a := asked{health.NewServer(), make(chan endpoint.Caller, 1)}
	healthpb.RegisterHealthServer(e.Services(), a)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Serve(ctx) }()
	return a, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func call(t *testing.T, path string) error {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	return err
}

// A caller is who the kernel says it is.
func TestCaller(t *testing.T) {
	path := socket(t)
	uid, gid := os.Getuid(), os.Getgid()
	a, stop := serve(t, endpoint.Config{Path: path, Mode: 0o600, UID: &uid, GID: &gid})
	defer stop()
	if err := call(t, path); err != nil {
		t.Fatal(err)
	}
	if caller := <-a.caller; caller.UID != uint32(os.Getuid()) || caller.GID != uint32(os.Getgid()) || caller.PID != int32(os.Getpid()) {
		t.Errorf("%+v", caller)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, ok := endpoint.CallerOf(t.Context()); ok {
		t.Error("a caller without a call")
	}
}

// A socket that was left behind is replaced; one that answers, or is none, is not.
func TestSocketThatIsThere(t *testing.T) {
	path := socket(t)
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	_, stop := serve(t, endpoint.Config{Path: path})
	if err := call(t, path); err != nil {
		t.Error(err)
	}
	if _, err := endpoint.Listen(endpoint.Config{Path: path}); err == nil {
		t.Error("a socket that answers was replaced")
	}
	stop()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket was left behind")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := endpoint.Listen(endpoint.Config{Path: path}); err == nil {
		t.Error("a file was replaced")
	}
}

// One user cannot take all connections.
func TestAttack_D20_ConnectionsOfOneUser(t *testing.T) {
	path := socket(t)
	_, stop := serve(t, endpoint.Config{Path: path})
	defer stop()
	var open []net.Conn
	for range endpoint.MaxConnections {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	if err := call(t, path); status.Code(err) != codes.Unavailable {
		t.Errorf("one connection more: %v", err)
	}
	for _, c := range open {
		c.Close()
	}
	ctx := t.Context()
	for ctx.Err() == nil && call(t, path) != nil { // the ends are noticed soon
	}
}

// A fault in one call is that call's alone.
func TestAttack_D05_FaultInACall(t *testing.T) {
	path := socket(t)
	_, stop := serve(t, endpoint.Config{Path: path})
	defer stop()
	conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	api := healthpb.NewHealthClient(conn)
	if _, err := api.Check(t.Context(), &healthpb.HealthCheckRequest{Service: faulty}); status.Code(err) != codes.Internal {
		t.Errorf("the call with the fault: %v", err)
	}
	if _, err := api.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// One user cannot have calls without end, over however many connections, nor headers.
func TestAttack_D20_CallsOfOneUser(t *testing.T) {
	path := socket(t)
	_, stop := serve(t, endpoint.Config{Path: path})
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begin := func(ctx context.Context, api healthpb.HealthClient) error {
		stream, err := api.Watch(ctx, &healthpb.HealthCheckRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	var api healthpb.HealthClient
	for i := range endpoint.MaxCalls {
		if i%100 == 0 { // a connection has 128 at most
			conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			api = healthpb.NewHealthClient(conn)
		}
		if err := begin(ctx, api); err != nil {
			t.Fatal(err)
		}
	}
	if err := begin(ctx, api); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one call more: %v", err)
	}
	large := metadata.AppendToOutgoingContext(ctx, "x", strings.Repeat("x", 64<<10))
	if err := begin(large, api); err == nil || status.Code(err) == codes.ResourceExhausted && strings.Contains(err.Error(), "calls at once") {
		t.Errorf("large headers: %v", err)
	}
	cancel()
	for t.Context().Err() == nil && call(t, path) != nil { // the ends are noticed soon
	}
}

// Root, the agent's own user and those who are named may call.
func TestRules(t *testing.T) {
	own := uint32(os.Geteuid())
	other := own + 4711
	for name, test := range map[string]struct {
		config endpoint.Config
		uid    uint32
		want   bool
	}{
		"root":        {endpoint.Config{}, 0, true},
		"the agent's": {endpoint.Config{}, own, true},
		"another":     {endpoint.Config{}, other, false},
		"named":       {endpoint.Config{Allowed: []uint32{other + 1, other}}, other, true},
		"not named":   {endpoint.Config{Allowed: []uint32{other + 1}}, other, false},
		"everybody":   {endpoint.Config{Everybody: true}, other, true},
	} {
		if got := test.config.Admits(test.uid); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
