package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"github.com/quotary/quotary/client"
)

// talkTimeout bounds a call on one machine, which takes milliseconds.
const talkTimeout = 10 * time.Second

// talk lets the first workload call the second over mutual TLS.
func (t *tale) talk(ctx context.Context) error {
	caller, callee := t.workloads[0].name, t.workloads[1].name
	t.begin(fmt.Sprintf("%s calls %s over mutual TLS", caller, callee),
		"Both use the identity that they were just given, with the SPIFFE project's own library, and each admits the other by its SPIFFE ID.")
	server, err := mutualTLS(t.identities[1], t.identities[0].SPIFFEID, tlsconfig.MTLSServerConfig)
	if err != nil {
		return err
	}
	dialer, err := mutualTLS(t.identities[0], t.identities[1].SPIFFEID, tlsconfig.MTLSClientConfig)
	if err != nil {
		return err
	}
	said, err := call(ctx, server, dialer)
	if err != nil {
		return fmt.Errorf("the mutual TLS call failed: %w", err)
	}
	t.fact(caller, "who is there?")
	t.fact(callee, "%s", said)
	return nil
}

// configure is go-spiffe's constructor of either side's TLS configuration.
type configure func(x509svid.Source, x509bundle.Source, tlsconfig.Authorizer, ...tlsconfig.Option) *tls.Config

// mutualTLS is the TLS configuration of a workload that admits one peer.
func mutualTLS(own *client.Identity, peer string, side configure) (*tls.Config, error) {
	key, err := x509.MarshalPKCS8PrivateKey(own.Certificate.PrivateKey)
	if err != nil {
		return nil, err
	}
	svid, err := x509svid.ParseRaw(slices.Concat(own.Certificate.Certificate...), key)
	if err != nil {
		return nil, err
	}
	bundle, err := spiffebundle.Parse(svid.ID.TrustDomain(), own.Bundle)
	if err != nil {
		return nil, err
	}
	id, err := spiffeid.FromString(peer)
	if err != nil {
		return nil, err
	}
	return side(svid, bundle, tlsconfig.AuthorizeID(id)), nil
}

// call makes one connection on this machine and returns what the server says.
func call(ctx context.Context, server, dialer *tls.Config) (said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, talkTimeout)
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() { served <- answer(ctx, listener, server) }()
	conn, err := (&tls.Dialer{Config: dialer}).DialContext(ctx, "tcp", listener.Addr().String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	text, err := io.ReadAll(io.LimitReader(conn, 1024))
	if err != nil {
		return "", err
	}
	return string(text), <-served
}

// answer takes one connection and tells the peer both names.
func answer(ctx context.Context, listener net.Listener, config *tls.Config) error {
	raw, err := listener.Accept()
	if err != nil {
		return err
	}
	conn := tls.Server(raw, config)
	defer conn.Close()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	peer, err := x509svid.IDFromCert(conn.ConnectionState().PeerCertificates[0])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "I know you, %s", peer)
	return err
}
