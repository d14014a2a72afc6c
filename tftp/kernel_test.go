package tftp

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// bridged serves root on the bridge virbr0, and returns the host and a guest.
func bridged(t *testing.T, root string) (host, guest *kerneltest.NS) {
	t.Helper()
	host, guest = kerneltest.New(t), kerneltest.New(t)
	host.Run(t, `ip link add virbr0 type bridge
		ip addr add 192.168.122.1/24 dev virbr0
		ip addr add fd00::1/64 dev virbr0 nodad
		ip link set virbr0 up`)
	host.Veth(t, "tap0", guest, "eth0")
	host.Run(t, "ip link set tap0 master virbr0")
	guest.Run(t, "ip addr add 192.168.122.50/24 dev eth0; ip addr add fd00::50/64 dev eth0 nodad")
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	t.Cleanup(func() { cancel(); done.Wait() })
	for _, addr := range []string{"192.168.122.1", "fd00::1"} {
		var c *Conn
		var err error
		host.Do(func() { c, err = Listen("virbr0", netip.MustParseAddr(addr)) })
		if err != nil {
			t.Fatal(err)
		}
		s := NewServer(slog.New(slog.DiscardHandler), Config{Link: "virbr0", Root: root})
		done.Go(func() {
			defer c.Close()
			if err := s.Serve(ctx, c); err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
	}
	return host, guest
}

func TestClientsOfTheDistributionGetABigFile(t *testing.T) {
	root := t.TempDir()
	want := random(4 << 20)
	write(t, filepath.Join(root, "dir", "vmlinuz"), want)
	_, guest := bridged(t, root)
	for name, command := range map[string]string{
		"busybox":               "busybox tftp -g -b 1468 -r dir/vmlinuz -l OUT 192.168.122.1",
		"busybox, small blocks": "busybox tftp -g -r /dir/vmlinuz -l OUT 192.168.122.1",
		"curl":                  "curl -sS --tftp-blksize 1468 -o OUT tftp://192.168.122.1/dir/vmlinuz",
		"curl, IPv6":            "curl -sS --tftp-blksize 1448 -o OUT tftp://[fd00::1]/dir/vmlinuz",
		"curl, without options": "curl -sS --tftp-no-options -o OUT tftp://192.168.122.1/dir/vmlinuz",
		"curl, beyond the MTU":  "curl -sS --tftp-blksize 16384 -o OUT tftp://192.168.122.1/dir/vmlinuz",
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			guest.Run(t, strings.ReplaceAll(command, "OUT", out))
			got, err := os.ReadFile(out)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d other bytes, %v", len(got), err)
			}
		})
	}
}

func TestOnlyTheNetworksGuestsAreServed(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "f"), []byte("content"))
	host, guest := bridged(t, root)
	foreign := kerneltest.New(t)
	host.Veth(t, "out0", foreign, "eth0")
	host.Run(t, "ip addr add 10.50.0.1/24 dev out0")
	foreign.Run(t, "ip addr add 10.50.0.2/24 dev eth0; ip route add default via 10.50.0.1")
	get := "curl -s -m 2 tftp://192.168.122.1/f || :"
	if got := guest.Run(t, get); got != "content" {
		t.Errorf("a guest gets %q", got)
	}
	if got := foreign.Run(t, get); got != "" {
		t.Errorf("another link's neighbour gets %q", got)
	}
}

func TestTwoServersOnOnePortAreFoundOut(t *testing.T) {
	host, _ := bridged(t, t.TempDir())
	host.Do(func() {
		c, err := Listen("virbr0", netip.MustParseAddr("192.168.122.1"))
		if err == nil {
			c.Close()
			t.Error("two servers listen")
		}
	})
}
