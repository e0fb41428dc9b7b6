package endpoint

import (
	"log/slog"
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
)

// listener accepts connections of which the kernel says who made them, so many of one
// user at a time.
type listener struct {
	*net.UnixListener
	logger *slog.Logger

	mu   sync.Mutex
	open map[uint32]int // by user
}

func newListener(inner *net.UnixListener, logger *slog.Logger) *listener {
	return &listener{UnixListener: inner, logger: logger, open: map[uint32]int{}}
}

// conn is a connection whose end is noted.
type conn struct {
	*net.UnixConn
	caller Caller
	ended  func()
}

func (c *conn) Close() error {
	c.ended()
	return c.UnixConn.Close()
}

// Accept returns the next connection that may be served.
func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		caller, err := peerOf(accepted)
		if err != nil {
			l.logger.Warn("a connection was closed: nothing is known of its other end", "cause", err.Error())
			accepted.Close()
			continue
		}
		if !l.enter(caller.UID) {
			l.logger.Warn("a connection was closed: its user has too many", "uid", caller.UID, "pid", caller.PID)
			accepted.Close()
			continue
		}
		caller.CommonAuthInfo = credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity} // it does not leave the machine
		return &conn{accepted, caller, sync.OnceFunc(func() { l.leave(caller.UID) })}, nil
	}
}

func (l *listener) enter(uid uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[uid] >= maxConnections {
		return false
	}
	l.open[uid]++
	return true
}

func (l *listener) leave(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[uid]--; l.open[uid] == 0 {
		delete(l.open, uid)
	}
}
