package firewalld_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/firewalld"
	"github.com/vnetmgr/vnetmgr/internal/bustest"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/internal/systembus"
)

func client(t *testing.T, address string) *firewalld.Client {
	bus := systembus.New(address)
	t.Cleanup(func() { bus.Close() })
	return firewalld.New(bus)
}

func TestZoneIsChosenAsLibvirtDoes(t *testing.T) {
	shipped := []string{"public", "libvirt", "libvirt-routed"}
	tests := []struct {
		name            string
		zones, policies []string
		want            firewalld.Binding
		zone            string
	}{
		{"nat", shipped, []string{"libvirt-routed-out"}, firewalld.Binding{}, "libvirt"},
		{"routed", shipped, []string{"libvirt-routed-out"}, firewalld.Binding{Routed: true}, "libvirt-routed"},
		{"routed without the policy", shipped, []string{"other"}, firewalld.Binding{Routed: true}, "libvirt"},
		{"routed before policies", shipped, nil, firewalld.Binding{Routed: true}, "libvirt"},
		{"routed without the zone", shipped[:2], []string{"libvirt-routed-out"}, firewalld.Binding{Routed: true}, "libvirt"},
		{"asked for", shipped, nil, firewalld.Binding{Zone: "public", Routed: true}, "public"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bus := bustest.New(t)
			fw := bus.Firewalld(t, tt.zones, tt.policies)
			c := client(t, bus.Address)
			tt.want.Link = "virbr0"
			for range 2 {
				if err := c.Apply(t.Context(), tt.want); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(map[string]string{"virbr0": tt.zone}, fw.Links()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n := fw.Changes(); n != 1 {
				t.Errorf("applied twice it changed %d times", n)
			}
			for range 2 {
				if err := c.Remove(t.Context(), "virbr0"); err != nil {
					t.Error(err)
				}
			}
			if left := fw.Links(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestMissingZonesAreErrors(t *testing.T) {
	bus := bustest.New(t)
	bus.Firewalld(t, []string{"public"}, []string{})
	c := client(t, bus.Address)
	if err := c.Apply(t.Context(), firewalld.Binding{Link: "virbr0"}); !errors.Is(err, firewalld.ErrNoZone) {
		t.Errorf("no zone libvirt: %v", err)
	}
	err := c.Apply(t.Context(), firewalld.Binding{Link: "virbr0", Zone: "nowhere"})
	if err == nil || !strings.Contains(err.Error(), "INVALID_ZONE: nowhere") {
		t.Errorf("a zone that is not there: %v", err)
	}
}

func TestWithoutFirewalldOnlyAnExplicitZoneFails(t *testing.T) {
	for name, address := range map[string]string{
		"no bus":          "",
		"bus not running": "unix:path=" + t.TempDir() + "/bus",
		"no firewalld":    bustest.New(t).Address,
	} {
		c := client(t, address)
		if err := c.Apply(t.Context(), firewalld.Binding{Link: "virbr0"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.Apply(t.Context(), firewalld.Binding{Link: "virbr0", Zone: "work"}); !errors.Is(err, firewalld.ErrInactive) {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.Remove(t.Context(), "virbr0"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWatchHearsReloadsAndRestarts(t *testing.T) {
	bus := bustest.New(t)
	c := client(t, bus.Address)
	heard := make(chan struct{}, 16)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Watch(ctx, func() { heard <- struct{}{} })
	}()
	defer func() { cancel(); <-done }()
	hear := func(what string) {
		t.Helper()
		select {
		case <-heard:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s was not heard", what)
		}
	}
	// Until the watch listens there is nothing to hear: start until it does.
	var fw *bustest.Firewalld
	kerneltest.Wait(t, 10*time.Second, "the watch to listen", func() bool {
		if fw != nil {
			fw.Stop()
		}
		fw = bus.Firewalld(t, []string{"libvirt"}, nil)
		select {
		case <-heard:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	})
	for len(heard) > 0 {
		<-heard
	}
	fw.Reload(t)
	hear("a reload")
	fw.Stop()
	hear("its end")
}

func TestLostConnectionIsMadeAnew(t *testing.T) {
	bus := bustest.New(t)
	bus.Firewalld(t, []string{"libvirt"}, nil)
	c := client(t, bus.Address)
	if err := c.Apply(t.Context(), firewalld.Binding{Link: "a"}); err != nil {
		t.Fatal(err)
	}
	bus.Restart(t)
	fw := bus.Firewalld(t, []string{"libvirt"}, nil)
	kerneltest.Wait(t, 10*time.Second, "a call on the new bus", func() bool {
		if err := c.Apply(t.Context(), firewalld.Binding{Link: "b"}); err != nil {
			t.Fatal(err)
		}
		return fw.Links()["b"] == "libvirt"
	})
}
