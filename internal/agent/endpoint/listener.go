package endpoint

import (
	"log/slog"
	"net"
	"sync"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/credentials"
)

// listener accepts connections of which the kernel says who made them, so many of one
// user at a time.
type listener struct {
	*net.UnixListener
	logger *slog.Logger
	open   *counter
	seldom rate.Sometimes
}

func newListener(inner *net.UnixListener, logger *slog.Logger) *listener {
	return &listener{UnixListener: inner, logger: logger, open: newCounter(maxConnections), seldom: rate.Sometimes{First: logFirst, Interval: logInterval}}
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
		if !l.open.enter(caller.UID) {
			l.seldom.Do(func() {
				l.logger.Warn("a connection was closed: its user has too many", "uid", caller.UID, "pid", caller.PID)
			})
			accepted.Close()
			continue
		}
		caller.CommonAuthInfo = credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity} // it does not leave the machine
		return &conn{accepted, caller, sync.OnceFunc(func() { l.open.leave(caller.UID) })}, nil
	}
}
