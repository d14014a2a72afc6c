// Package metrics tells Prometheus what the daemon's servers have counted.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vnetmgr/vnetmgr/network"
)

// Handler serves what stats returns, and what the process itself uses, as
// Prometheus reads it. Nothing is counted twice: stats is called for each
// request.
func Handler(log *slog.Logger, stats func() network.Stats) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{stats}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		MaxRequestsInFlight: 4,
	}))
	return mux
}

// Serve answers requests that l accepts until ctx ends, which is no error.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}

// Listen opens the address that the settings name: the path of a socket that
// only root can connect to, or a loopback address and port. Others are refused:
// the counters say who is there and what they do.
func Listen(addr string) (net.Listener, error) {
	if strings.HasPrefix(addr, "/") {
		return listenUnix(addr)
	}
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("metrics %q: want a socket's path or a loopback address with a port, as 127.0.0.1:9177", addr)
	}
	if !ap.Addr().IsLoopback() {
		return nil, fmt.Errorf("metrics %q: %s is not a loopback address", addr, ap.Addr())
	}
	l, err := net.Listen("tcp", ap.String())
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	return l, nil
}

// listenUnix takes the place of a socket that nobody listens on.
func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, fmt.Errorf("listen for metrics on %s: another program does", path)
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("listen for metrics: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for metrics: %w", err), l.Close())
	}
	return l, nil
}
