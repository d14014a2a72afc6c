package rpc

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/neighbour"
	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/radv"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/state"
	"github.com/vnetmgr/vnetmgr/tftp"
)

// inside is the kernel's part of a network namespace.
type inside struct {
	network.Host
	ns *kerneltest.NS
}

func (h inside) Observe(ctx context.Context) (have bridge.Host, err error) {
	h.ns.Do(func() { have, err = h.Host.Observe(ctx) })
	return have, err
}

func (h inside) ApplyBridge(ctx context.Context, want bridge.Config) (err error) {
	h.ns.Do(func() { err = h.Host.ApplyBridge(ctx, want) })
	return err
}

func (h inside) TuneBridge(ctx context.Context, want bridge.Tuning) (err error) {
	h.ns.Do(func() { err = h.Host.TuneBridge(ctx, want) })
	return err
}

func (h inside) RemoveBridge(ctx context.Context, name, owner string) (err error) {
	h.ns.Do(func() { err = h.Host.RemoveBridge(ctx, name, owner) })
	return err
}

func (h inside) ApplyRules(ctx context.Context, want nat.Ruleset) (err error) {
	h.ns.Do(func() { err = h.Host.ApplyRules(ctx, want) })
	return err
}

func (h inside) ListenDHCP4(link string, server netip.Addr) (c *dhcpd.Conn4, err error) {
	h.ns.Do(func() { c, err = h.Host.ListenDHCP4(link, server) })
	return c, err
}

func (h inside) ListenDHCP6(link string, server netip.Addr) (c *dhcpd.Conn6, err error) {
	h.ns.Do(func() { c, err = h.Host.ListenDHCP6(link, server) })
	return c, err
}

func (h inside) ListenDNS(link string, addr netip.Addr) (udp net.PacketConn, tcp net.Listener, err error) {
	h.ns.Do(func() { udp, tcp, err = h.Host.ListenDNS(link, addr) })
	return udp, tcp, err
}

func (h inside) ListenRA(link string) (c *radv.Conn, err error) {
	h.ns.Do(func() { c, err = h.Host.ListenRA(link) })
	return c, err
}

func (h inside) ListenNeighbours(link string) (c *neighbour.Conn, err error) {
	h.ns.Do(func() { c, err = h.Host.ListenNeighbours(link) })
	return c, err
}

func (h inside) ListenTFTP(link string, addr netip.Addr) (c *tftp.Conn, err error) {
	h.ns.Do(func() { c, err = h.Host.ListenTFTP(link, addr) })
	return c, err
}

// realHost is a daemon's networks in a namespace, and a client of them.
type realHost struct {
	*peer
	ns *kerneltest.NS
	m  *network.Manager
}

func newRealHost(t *testing.T) *realHost {
	t.Helper()
	ns, dir := kerneltest.New(t), t.TempDir()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	var host network.Host
	var err error
	ns.Do(func() { host, err = network.OpenKernel(log) })
	if err != nil {
		t.Fatal(err)
	}
	m := network.New(log, inside{host, ns}, network.Config{
		Dir:       state.Dir{Config: filepath.Join(dir, "networks"), Run: filepath.Join(dir, "run")},
		LeaseFile: filepath.Join(dir, "leases.db"), StatusDir: filepath.Join(dir, "dnsmasq"),
		ResolvConf: filepath.Join(dir, "resolv.conf"), Sysfs: filepath.Join(dir, "sys"), Hook: filepath.Join(dir, "hooks", "network"),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = m.Run(ctx, func(ctx context.Context) error { close(ready); <-ctx.Done(); return nil })
	}()
	<-ready
	t.Cleanup(func() { cancel(); <-ended; host.Close() })
	for _, n := range m.List() { // the one that a first daemon defines
		if err := m.Undefine(t.Context(), n.UUID); err != nil {
			t.Fatal(err)
		}
	}
	return &realHost{connectOpen(t, serve(t, m, Options{}).rw), ns, m}
}

// code calls, and returns libvirt's error code, 0 for success, with its text.
func (h *realHost) code(proc wire.Proc, args any) (wire.Code, string) {
	h.Helper()
	f := h.call(proc, args)
	if f.Status == wire.OK {
		return 0, ""
	}
	e := failureOf(h, f)
	return e.Code, *e.Message
}

// define defines a network, which must succeed.
func (h *realHost) define(doc string) wire.Network {
	h.Helper()
	var n wire.Network
	if err := wire.Unmarshal(h.must(wire.NetworkDefineXML, doc), &n); err != nil {
		h.Fatal(err)
	}
	return n
}

// xml is a network's definition.
func (h *realHost) xml(n wire.Network, flags uint32) string {
	h.Helper()
	var doc string
	if err := wire.Unmarshal(h.must(wire.NetworkGetXMLDesc, wire.GetXMLArgs{Network: n, Flags: flags}), &doc); err != nil {
		h.Fatal(err)
	}
	return doc
}
