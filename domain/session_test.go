package domain

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// silent is a libvirt that takes connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, c)
		}
	}()
	return path
}

func TestCallThatIsNotAnsweredEndsInTime(t *testing.T) {
	_, err := connect(t.Context(), silent(t), "qemu:///system", 50*time.Millisecond, func(event) {})
	if !errors.Is(err, errTimeout) {
		t.Errorf("error %v, want a timeout", err)
	}
}

func TestFollowerOfAHangingLibvirtEndsWhenAsked(t *testing.T) {
	attached := make(chan string, 1)
	f := New(slog.New(slog.DiscardHandler), oneNetwork{}, Config{
		URI: "qemu:///system?socket=" + silent(t), Timeout: time.Hour,
		Attach: func(_ context.Context, bridge string, links []Interface) error {
			attached <- bridge + " " + links[0].Target
			return nil
		},
	})
	f.byDomain[xmlnet.UUID{1}] = []Interface{{Domain: "g", Target: "vnet0", Network: "default"}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	f.NetworksChanged()
	f.Reattach(ctx, "virbr0")
	if got := <-attached; got != "virbr0 vnet0" {
		t.Errorf("attached %s", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// oneNetwork is an active network "default".
type oneNetwork struct{ Networks }

func (oneNetwork) List() []Network {
	return []Network{{Name: "default", Bridge: "virbr0", Active: true}}
}

func TestTargetOfAURI(t *testing.T) {
	for uri, want := range map[string][2]string{
		"qemu:///system":                  {"qemu:///system", "/d/libvirt-sock"},
		"qemu+unix:///system":             {"qemu:///system", "/d/libvirt-sock"},
		"qemu:///system?socket=/x/y":      {"qemu:///system", "/x/y"},
		"xen:///system?socket=/x/virtd-s": {"xen:///system", "/x/virtd-s"},
	} {
		driver, socket, err := Config{URI: uri, Dir: "/d"}.target()
		if got := [2]string{driver, socket}; err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", uri, got, err, want)
		}
	}
	for _, bad := range []string{"", "system", "qemu+ssh://host/system", "qemu://host/system", "%"} {
		if _, _, err := (Config{URI: bad}).target(); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func FuzzReadEvent(f *testing.F) {
	f.Add([]byte{})
	f.Add(append([]byte{0, 0, 0, 1, 0, 0, 0, 3, 'o', 'n', 'e', 0}, make([]byte, 16)...))
	f.Add([]byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, ok := readEvent(wire.Frame{Payload: payload})
		if !ok {
			return
		}
		if n := binary.BigEndian.Uint32(payload[4:]); int(n) != len(e.name) {
			t.Errorf("name of %d bytes, said to have %d", len(e.name), n)
		}
	})
}
