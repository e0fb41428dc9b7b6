package lab

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// headerTimeout bounds how long a client of the vendors may take for its request's
// header; they are on this machine.
const headerTimeout = 10 * time.Second

// served are the vendors' services, over plain HTTP on this machine alone.
type served struct {
	url   string
	close func() error // the first call counts
}

func serve(ctx context.Context, handler http.Handler) (*served, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(listener) }()
	return &served{"http://" + listener.Addr().String(), sync.OnceValue(func() error {
		err := s.Close() // whoever waits for a slow vendor waits no longer
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	})}, nil
}
