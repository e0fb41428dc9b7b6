package lab

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"

	"github.com/quotary/quotary/internal/daemon"
)

// socket is a listening socket that outlives the services that accept from it, so
// that a restarted one is found where it was.
type socket struct {
	address string
	file    *os.File
	close   func() error // the first call counts
}

func listen(ctx context.Context, address string) (*socket, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer listener.Close() // the file is another reference
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	return &socket{listener.Addr().String(), file, sync.OnceValue(file.Close)}, nil
}

// listener returns a listener whose end does not end the socket.
func (s *socket) listener() (net.Listener, error) { return net.FileListener(s.file) }

// service is a service that runs.
type service struct {
	*daemon.Daemon
	stop func() error // the first call counts
}

// startService starts a service that accepts from a socket, until ctx ends.
func startService(ctx context.Context, o daemon.Options, s *socket) (*service, error) {
	listener, err := s.listener()
	if err != nil {
		return nil, err
	}
	d, err := daemon.Open(ctx, o)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx, listener) }()
	return &service{d, sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-ended, d.Close())
	})}, nil
}
