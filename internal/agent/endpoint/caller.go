package endpoint

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc/credentials"
)

// Caller is what the kernel says of the process that connected. It implements
// credentials.AuthInfo.
type Caller struct {
	credentials.CommonAuthInfo
	UID, GID uint32
	// PID is for the log alone: by now it may be another process's.
	PID int32
}

// AuthType implements credentials.AuthInfo.
func (Caller) AuthType() string { return "peercred" }

// handshake hands what is known of a connection to gRPC. It implements
// credentials.TransportCredentials for a server.
type handshake struct{}

func (handshake) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	known, ok := c.(*conn)
	if !ok {
		return nil, nil, errors.New("endpoint: not a connection of this listener")
	}
	return c, known.caller, nil
}

func (handshake) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("endpoint: for servers only")
}

func (handshake) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "peercred"}
}
func (h handshake) Clone() credentials.TransportCredentials { return h }
func (handshake) OverrideServerName(string) error           { return nil }
