package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
)

// serve serves metrics and health over plain HTTP until ctx ends, if it is configured.
// Neither says anything that is secret.
func (m Metrics) serve(ctx context.Context, group *errgroup.Group, health func() (bool, string), logger *slog.Logger, collectors ...prometheus.Collector) error {
	if m.Listen == "" {
		return nil
	}
	registry := prometheus.NewRegistry()
	for _, c := range collectors {
		if err := registry.Register(c); err != nil {
			return err
		}
	}
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", m.Listen)
	if err != nil {
		return fmt.Errorf("metrics.listen: %w", err)
	}
	logger.Info("metrics are served", "address", listener.Addr().String())
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		healthy, line := health()
		if !healthy {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, line)
	})
	server := &http.Server{Handler: mux, ReadTimeout: metricsTimeout, WriteTimeout: metricsTimeout, IdleTimeout: metricsTimeout, MaxHeaderBytes: maxHeader}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	group.Go(func() error {
		defer stop()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return nil
}
