package fleettest

import (
	"net"
	"sync"
	"testing"
)

// gate keeps an address for as long as a test lasts, and hands its connections to the
// service that runs there now. While none does, they are closed.
type gate struct {
	inner net.Listener

	mu  sync.Mutex
	now *turn // nil while no service runs
}

// newGate listens at an address of this machine.
func newGate(t testing.TB) *gate {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{inner: inner}
	done := make(chan struct{})
	go func() { defer close(done); g.accept() }()
	t.Cleanup(func() { inner.Close(); <-done })
	return g
}

func (g *gate) accept() {
	for {
		conn, err := g.inner.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		now := g.now
		g.mu.Unlock()
		if now == nil || !now.take(conn) {
			conn.Close()
		}
	}
}

// open returns the listener of a service that begins to run.
func (g *gate) open() net.Listener {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now = &turn{gate: g, conns: make(chan net.Conn), closed: make(chan struct{})}
	return g.now
}

// turn is one service's time at the gate. It implements net.Listener.
type turn struct {
	gate   *gate
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (t *turn) take(conn net.Conn) bool {
	select {
	case t.conns <- conn:
		return true
	case <-t.closed:
		return false
	}
}

func (t *turn) Accept() (net.Conn, error) {
	select {
	case conn := <-t.conns:
		return conn, nil
	case <-t.closed:
		return nil, net.ErrClosed
	}
}

func (t *turn) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

func (t *turn) Addr() net.Addr { return t.gate.inner.Addr() }
