package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"github.com/quotary/quotary/internal/boottest"
)

// meetingTime is for how long a peer is waited for: as long as a machine takes to boot
// where there are few processors for many.
const meetingTime = 8 * time.Minute

// meet speaks to the machine at the other end of the second network, both ways: it dials
// it, and it is dialled. It returns whom it dialled.
func meet() (peer string, err error) {
	own, authorities, err := identity()
	if err != nil {
		return "", err
	}
	card, err := net.InterfaceByName("eth1")
	if err != nil {
		return "", err
	}
	number := card.HardwareAddr[5]
	// A peer is any machine of the trust domain that says who it is.
	anyPeer := tlsconfig.AuthorizeMemberOf(own.ID.TrustDomain())
	listener, err := tls.Listen("tcp", net.JoinHostPort(boottest.PeerAddress(number), boottest.PeerPort), tlsconfig.MTLSServerConfig(own, authorities, anyPeer))
	if err != nil {
		return "", err
	}
	defer listener.Close()
	answered := make(chan error, 1)
	go func() { answered <- answer(listener) }()
	peer, err = dial(net.JoinHostPort(boottest.PeerAddress(3-number), boottest.PeerPort), tlsconfig.MTLSClientConfig(own, authorities, anyPeer))
	if err != nil {
		return "", err
	}
	select {
	case err = <-answered:
	case <-time.After(meetingTime):
		err = errors.New("the peer did not call")
	}
	return peer, err
}

func identity() (*x509svid.SVID, *x509bundle.Bundle, error) {
	file := filepath.Join(boottest.IdentityPath, "tls.pem")
	own, err := x509svid.Load(file, file)
	if err != nil {
		return nil, nil, err
	}
	authorities, err := x509bundle.Load(own.ID.TrustDomain(), filepath.Join(boottest.IdentityPath, "ca.crt"))
	return own, authorities, err
}

// answer tells the first caller whom it is that it told us to be.
func answer(listener net.Listener) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	id, err := peerOf(conn.(*tls.Conn))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "%s", id)
	return err
}

// dial calls the peer until it answers.
func dial(address string, config *tls.Config) (string, error) {
	deadline := time.Now().Add(meetingTime)
	for {
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).Dial("tcp", address)
		if err == nil {
			defer conn.Close()
			return converse(tls.Client(conn, config))
		}
		if time.Now().After(deadline) {
			return "", err
		}
		fmt.Fprintln(os.Stderr, "waiting for the peer:", err)
		time.Sleep(500 * time.Millisecond)
	}
}

// converse reads whom the peer takes us for, and returns whom we take it for.
func converse(conn *tls.Conn) (string, error) {
	conn.SetDeadline(time.Now().Add(meetingTime))
	id, err := peerOf(conn)
	if err != nil {
		return "", err
	}
	if _, err := io.ReadAll(conn); err != nil {
		return "", err
	}
	return id.String(), nil
}

func peerOf(conn *tls.Conn) (spiffeid.ID, error) {
	if err := conn.Handshake(); err != nil {
		return spiffeid.ID{}, err
	}
	var leaf *x509.Certificate = conn.ConnectionState().PeerCertificates[0]
	return x509svid.IDFromCert(leaf)
}
