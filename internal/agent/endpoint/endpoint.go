// Package endpoint is the Unix socket at which the agent serves: gRPC without TLS, as
// the SPIFFE Workload Endpoint wants it, for callers that are known by what the kernel
// says of them (SO_PEERCRED). Which users may call is configured; nobody else gets an
// answer. What is served is registered by others.
//
// A caller is judged by the user that it was when it connected, never by its process:
// process IDs are reused. Start at [Listen].
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
)

// Config says where the endpoint is and who may call.
type Config struct {
	// Path is the socket's.
	Path string
	// Mode is the socket's, 0666 if zero: the rules decide, not the file system.
	Mode fs.FileMode
	// UID and GID are the socket's owner; nil leaves it to the process.
	UID, GID *int
	// Allowed are the users who may call, besides root and the agent's own; Everybody lets
	// in all.
	Allowed   []uint32
	Everybody bool
	// Logger is told who was turned away; nil means nobody.
	Logger *slog.Logger
}

// Endpoint is a socket that listens.
type Endpoint struct {
	config   Config
	listener *listener
	server   *grpc.Server
	calls    *counter
	seldom   rate.Sometimes // to log what callers do
}

// Listen makes the socket. One that a process before left behind is replaced; one that
// answers is not.
func Listen(c Config) (*Endpoint, error) {
	l, err := c.listen()
	if err != nil {
		return nil, err
	}
	e := &Endpoint{
		config: c, listener: l, calls: newCounter(maxCalls),
		seldom: rate.Sometimes{First: logFirst, Interval: logInterval},
	}
	e.server = grpc.NewServer(
		grpc.Creds(handshake{}), grpc.MaxConcurrentStreams(maxStreams), grpc.MaxRecvMsgSize(maxRequest), grpc.ConnectionTimeout(handshakeTimeout), grpc.MaxHeaderListSize(maxHeaders),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute}),
		// Proxies look after their connections, too.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(e.unary), grpc.StreamInterceptor(e.stream),
	)
	reflection.Register(e.server)
	return e, nil
}

// listen makes the socket, and fills in what c leaves out.
func (c *Config) listen() (*listener, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Mode == 0 {
		c.Mode = 0o666
	}
	if err := c.checkNobody(); err != nil {
		return nil, err
	}
	if err := clear(c.Path); err != nil {
		return nil, err
	}
	inner, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.Path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := c.own(); err != nil {
		return nil, errors.Join(err, inner.Close())
	}
	return newListener(inner, c.Logger), nil
}

// clear removes a socket at which nobody listens.
func clear(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there, and is no socket; remove it, or name another socket", path)
	}
	if conn, err := net.DialTimeout("unix", path, handshakeTimeout); err == nil {
		conn.Close()
		return fmt.Errorf("another process serves at %s; stop it, or name another socket", path)
	}
	return os.Remove(path)
}

// owners are the socket's user and group; -1 leaves them.
func (c Config) owners() (uid, gid int) {
	uid, gid = -1, -1
	if c.UID != nil {
		uid = *c.UID
	}
	if c.GID != nil {
		gid = *c.GID
	}
	return uid, gid
}

// Services is where services are registered, before Serve.
func (e *Endpoint) Services() grpc.ServiceRegistrar { return e.server }

// Serve serves until ctx ends. Streams that are open then are cut off: they have no end
// of their own. The socket is removed.
func (e *Endpoint) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, e.server.Stop)
	defer stop()
	err := e.server.Serve(e.listener)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Close removes a socket that was never served.
func (e *Endpoint) Close() error {
	e.server.Stop()
	return e.listener.Close()
}

func (e *Endpoint) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
	err = e.admit(ctx, info.FullMethod, func() error {
		answer, err = handle(ctx, request)
		return err
	})
	return answer, err
}

func (e *Endpoint) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	return e.admit(stream.Context(), info.FullMethod, func() error { return handle(service, stream) })
}

// admit makes a call, if its caller may call and has not too many calls. A fault in one call is that
// call's alone.
func (e *Endpoint) admit(ctx context.Context, method string, call func() error) (err error) {
	caller, ok := CallerOf(ctx)
	if !ok {
		return status.Error(codes.Internal, "the caller is not known")
	}
	if !e.config.admits(caller.UID) {
		e.seldom.Do(func() {
			e.config.Logger.Warn("a caller was turned away", "uid", caller.UID, "pid", caller.PID, "method", method)
		})
		return status.Errorf(codes.PermissionDenied, "user %d may not call this agent: its configuration allows others (workload_api.allow_users)", caller.UID)
	}
	if !e.calls.enter(caller.UID) {
		return errTooManyCalls
	}
	defer e.calls.leave(caller.UID)
	defer func() {
		if fault := recover(); fault != nil {
			e.config.Logger.Error("a call failed by a fault of the agent's", "method", method, "fault", fmt.Sprint(fault), "stack", string(debug.Stack()))
			err = status.Error(codes.Internal, "a fault of the agent's")
		}
	}()
	return call()
}

func (c Config) admits(uid uint32) bool {
	if c.Everybody || uid == 0 || int64(uid) == int64(os.Geteuid()) {
		return true
	}
	for _, allowed := range c.Allowed {
		if uid == allowed {
			return true
		}
	}
	return false
}

// CallerOf returns who made a call.
func CallerOf(ctx context.Context) (Caller, bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return Caller{}, false
	}
	caller, ok := p.AuthInfo.(Caller)
	return caller, ok
}
