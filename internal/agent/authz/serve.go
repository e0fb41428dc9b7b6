package authz

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
)

// Serve answers at a listener until ctx ends: gRPC over HTTP/2, and HTTP/1.
func (s *Service) Serve(ctx context.Context, listener net.Listener) error {
	server := s.http()
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *Service) http() *http.Server {
	services := grpc.NewServer(grpc.MaxRecvMsgSize(maxQuestion))
	auth.RegisterAuthorizationServer(services, &envoy{service: s})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", s.authRequest)
	mux.HandleFunc("/", unknown)
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
				services.ServeHTTP(w, r)
				return
			}
			mux.ServeHTTP(w, r)
		}),
		Protocols: protocols, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug),
	}
}
