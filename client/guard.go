package client

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"
)

// guarded is a connection whose other end is known once the handshake is done.
type guarded struct {
	net.Conn
	by  *Revocations
	end *time.Timer // that of the other end's certificate; nil before the handshake
}

func (g *guarded) Close() error {
	g.by.mu.Lock()
	delete(g.by.live, g)
	if g.end != nil {
		g.end.Stop()
	}
	g.by.mu.Unlock()
	return g.Conn.Close()
}

// Server returns the server's side of a connection: as tls.Server does, without session
// tickets, because what is resumed is not looked at again.
func (r *Revocations) Server(conn net.Conn, config *tls.Config) *tls.Conn {
	g := &guarded{Conn: conn, by: r}
	return tls.Server(g, r.guard(g, config))
}

// Client returns the client's side of a connection: as tls.Client does, without a cache of
// sessions.
func (r *Revocations) Client(conn net.Conn, config *tls.Config) *tls.Conn {
	g := &guarded{Conn: conn, by: r}
	return tls.Client(g, r.guard(g, config))
}

// Listener returns a listener whose connections are as [Revocations.Server] has them.
func (r *Revocations) Listener(inner net.Listener, config *tls.Config) net.Listener {
	return &listener{inner, r, config}
}

type listener struct {
	net.Listener
	by     *Revocations
	config *tls.Config
}

func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.by.Server(conn, l.config), nil
}

// guard returns a configuration for one connection.
func (r *Revocations) guard(g *guarded, config *tls.Config) *tls.Config {
	c := config.Clone()
	c.SessionTicketsDisabled, c.ClientSessionCache = true, nil
	if inner := c.GetConfigForClient; inner != nil {
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := inner(hello)
			if chosen == nil || err != nil {
				return chosen, err
			}
			return r.guard(g, chosen), nil
		}
	}
	inner := c.VerifyConnection
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if inner != nil {
			if err := inner(state); err != nil {
				return err
			}
		}
		return r.admit(g, state)
	}
	return c
}

// admit refuses who is revoked, and keeps the connection to who is not, in one step: no
// revocation comes between. Who shows no certificate is the configuration's business.
func (r *Revocations) admit(g *guarded, state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return nil
	}
	chain := state.PeerCertificates // where the configuration verifies it itself
	if len(state.VerifiedChains) > 0 {
		chain = state.VerifiedChains[0]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check(chain); err != nil {
		return err
	}
	r.live[g] = chain[0]
	g.end = time.AfterFunc(chain[0].NotAfter.Sub(r.now()), func() { _ = g.Close() }) // whether the service answers or not
	return nil
}

// closeDead closes the connections to those whose certificate was revoked, or has ended
// because the clock was put forward.
func (r *Revocations) closeDead() {
	for _, g := range r.dead() {
		_ = g.Close() // it may be closed already
	}
}

func (r *Revocations) dead() (dead []*guarded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for g, leaf := range r.live {
		if now.After(leaf.NotAfter) || r.isRevoked(leaf) {
			dead = append(dead, g)
		}
	}
	return dead
}

// isRevoked says so of a certificate that was good when it was shown. Where its issuer has no
// list any more, the authority was revoked.
func (r *Revocations) isRevoked(leaf *x509.Certificate) bool {
	list := r.lists[string(leaf.AuthorityKeyId)]
	return !r.isForeign(leaf) && (list == nil || list.serials[leaf.SerialNumber.Text(16)])
}
