package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/internal/systembus"
	"github.com/vnetmgr/vnetmgr/metrics"
	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/polkit"
	"github.com/vnetmgr/vnetmgr/rpc"
	"github.com/vnetmgr/vnetmgr/state"
	"github.com/vnetmgr/vnetmgr/virtnetworkd"
)

// runDaemon is "vnetmgr daemon": it serves until ctx ends, and leaves every network up.
func runDaemon(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("vnetmgr daemon", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the caller prints the error
	config := flags.String("config", defaultSettings, "settings `file`")
	socket := flags.String("socket", os.Getenv("VNETMGR_SOCKET"), "serve on `path` and path-ro, rather than in the settings' run_dir")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected data '%s'", flags.Arg(0))
	}
	s, err := readSettings(*config)
	if err != nil {
		return err
	}
	if *socket == "" {
		*socket = filepath.Join(s.RunDir, "vnetmgr-sock")
	}
	log, err := s.logger()
	if err != nil {
		return err
	}
	return serve(ctx, log, s, *socket)
}

// garbage is how much of the memory in use may be garbage before it is
// collected, in percent: less than Go's 100, as leases and names stay and a
// host's memory is its guests'.
const garbage = 60

func serve(ctx context.Context, log *slog.Logger, s settings, socket string) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	for _, dir := range []string{s.RunDir, s.StateDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
	}
	if s.Role == roleVirtnetworkd {
		unlock, err := virtnetworkd.Lock(s.activeDir())
		if err != nil {
			return err
		}
		defer unlock()
	}
	// What the host lacks must be known before a client is kept waiting.
	host, err := network.OpenKernel(log)
	if err != nil {
		return err
	}
	defer host.Close()
	listeners, err := listen(log, s, socket)
	if err != nil {
		return err
	}
	counters, err := listenMetrics(s.Metrics)
	if err != nil {
		return err
	}
	manager := network.New(log, host, s.networks())
	links, err := bridge.Open()
	if err != nil {
		return err
	}
	defer links.Close()
	follower := newFollower(log, s, manager, links)
	bus := systembus.New(s.SystemBus)
	defer bus.Close()
	server := rpc.New(log, manager, rpc.Options{
		MaxClients:  s.MaxClients,
		Adopt:       follower.Adopt,
		Release:     follower.Release,
		Attachments: manager,
		History:     manager.History,
		Authorize:   rpc.AuthorizeGroup(s.SocketGroup),
		PolkitRW:    polkitFor(s.AuthRW, bus),
		PolkitRO:    polkitFor(s.AuthRO, bus),
	})
	err = manager.Run(ctx, func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		for _, l := range listeners {
			group.Go(func() error { return server.Serve(ctx, l.Listener, l.readOnly) })
		}
		group.Go(func() error { return followLibvirt(ctx, s, follower, manager, links) })
		if counters != nil {
			group.Go(func() error { return metrics.Serve(ctx, counters, metrics.Handler(log, manager.Stats)) })
		}
		log.Info("ready", "version", version)
		if _, err := sd.SdNotify(false, sd.SdNotifyReady); err != nil {
			log.Warn("tell systemd", "err", err)
		}
		return group.Wait()
	})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // asked to end
	}
	return err
}

// listenMetrics opens where Prometheus reads the counters; nil is nowhere.
func listenMetrics(addr string) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	return metrics.Listen(addr)
}

// networks is where networks are kept and found.
func (s settings) networks() network.Config {
	return network.Config{
		Dir:            state.Dir{Config: s.NetworkDir, Run: s.activeDir(), Attached: filepath.Join(s.StateDir, "attached")},
		LeaseFile:      filepath.Join(s.StateDir, "leases.db"),
		JournalFile:    filepath.Join(s.StateDir, "history.db"),
		JournalRecords: s.LeaseHistory,
		StatusDir:      s.DNSMasqDir,
		ResolvConf:     "/etc/resolv.conf",
		Hosts:          "/etc/hosts",
		Hook:           s.Hook,
		SystemBus:      s.SystemBus,
		NetnsEtc:       "/etc/netns",
		QueryRate:      s.DNSQueryRate,

		RegisterDomains: s.Register,
		AdmitGuests:     s.AdmitGuests,
		Virtnetworkd:    s.Role == roleVirtnetworkd,
	}
}

// polkitFor returns the polkit to ask where auth says so.
func polkitFor(auth string, bus *systembus.Bus) *polkit.Client {
	if auth != authPolkit {
		return nil
	}
	return polkit.New(bus)
}

// listener is a socket of libvirt's protocol.
type listener struct {
	net.Listener
	readOnly bool
}

// listen opens our own sockets, or takes over those that systemd opened, and
// libvirt's where no other daemon serves them.
func listen(log *slog.Logger, s settings, socket string) ([]listener, error) {
	if passed, err := activation.ListenersWithNames(); err != nil {
		return nil, fmt.Errorf("take over systemd's sockets: %w", err)
	} else if len(passed) > 0 {
		return inherited(passed), nil
	}
	var all []listener
	for _, path := range []string{socket, socket + "-ro"} {
		l, err := rpc.ListenUnix(path, 0o666)
		if err != nil {
			return nil, err
		}
		all = append(all, listener{l, path != socket})
	}
	if !s.LibvirtSockets {
		return all, nil
	}
	for _, name := range []string{"virtnetworkd-sock", "virtnetworkd-sock-ro"} {
		l, err := rpc.ListenUnix(filepath.Join(s.LibvirtDir, name), 0o666)
		if errors.Is(err, syscall.EADDRINUSE) && s.Role != roleVirtnetworkd {
			log.Info("libvirt's network socket is served by another daemon", "socket", filepath.Join(s.LibvirtDir, name))
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, listener{l, name == "virtnetworkd-sock-ro"})
	}
	return all, nil
}

// inherited sorts systemd's sockets by the FileDescriptorName=, by default
// their unit's name: those ending in "-ro" are read-only.
func inherited(passed map[string][]net.Listener) []listener {
	var all []listener
	for name, ls := range passed {
		readOnly := strings.HasSuffix(strings.TrimSuffix(name, ".socket"), "-ro")
		for _, l := range ls {
			all = append(all, listener{l, readOnly})
		}
	}
	return all
}
