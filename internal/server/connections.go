package server

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// connections bounds the open connections, each of which takes memory and a file
// even if nothing is asked over it. Beyond the bound the one that has been quiet
// longest is closed: clients open another when they need it.
type connections struct {
	most int

	mu    sync.Mutex
	open  map[net.Conn]*list.Element // its place in quiet, or nil while it asks
	quiet list.List                  // of net.Conn that ask nothing, the longest first
}

func newConnections(most int) *connections {
	return &connections{most: most, open: map[net.Conn]*list.Element{}}
}

// note is an http.Server's ConnState.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element := c.open[conn]; element != nil {
		c.quiet.Remove(element)
	}
	switch state {
	case http.StateNew, http.StateIdle:
		c.open[conn] = c.quiet.PushBack(conn)
	case http.StateActive:
		c.open[conn] = nil
	case http.StateHijacked, http.StateClosed:
		delete(c.open, conn)
	}
	if state == http.StateNew && len(c.open) > c.most {
		c.closeQuietest()
	}
}

// closeQuietest closes a connection, which is noted as closed in its own time.
func (c *connections) closeQuietest() {
	longest := c.quiet.Front()
	conn := c.quiet.Remove(longest).(net.Conn)
	c.open[conn] = nil
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn() // without a farewell, for which it might have to wait
	}
	_ = conn.Close()
}
