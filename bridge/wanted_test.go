package bridge_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/bridge"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"virbr0", "a", "123456789012345", "br.10", "br-ä", "-x", "...", "lo"} {
		if err := bridge.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", ".", "..", "1234567890123456", "a/b", "a b", "a\tb", "a\x00b", "a:b", "virbr%d", "all", "default", "a\n", "\x7f",
	} {
		if err := bridge.CheckName(name); !errors.Is(err, bridge.ErrName) {
			t.Errorf("%q: %v, want ErrName", name, err)
		}
	}
}

// TestNonsenseIsRefusedBeforeAnythingIsDone needs no kernel: a Conn that was
// never opened would panic.
func TestNonsenseIsRefusedBeforeAnythingIsDone(t *testing.T) {
	tests := map[string]struct {
		change func(*bridge.Config)
		want   string // part of the error
	}{
		"name":            {func(c *bridge.Config) { c.Name = "a/b" }, "not a valid link name"},
		"no owner":        {func(c *bridge.Config) { c.Owner = "" }, "owner"},
		"long owner":      {func(c *bridge.Config) { c.Owner = strings.Repeat("x", 248) }, "alias"},
		"no MAC":          {func(c *bridge.Config) { c.MAC = nil }, "MAC address"},
		"multicast MAC":   {func(c *bridge.Config) { c.MAC = mac("01:00:5e:00:00:01") }, "01:00:5e:00:00:01"},
		"zero MAC":        {func(c *bridge.Config) { c.MAC = mac("00:00:00:00:00:00") }, "MAC address"},
		"MTU":             {func(c *bridge.Config) { c.MTU = 65536 }, "65536"},
		"MTU under IPv6":  {func(c *bridge.Config) { c.MTU, c.IPv6 = 1279, true }, "1280"},
		"delay":           {func(c *bridge.Config) { c.ForwardDelay = -time.Second }, "negative"},
		"IPv6 address":    {func(c *bridge.Config) { c.Addrs = prefixes("fd00::1/64") }, "IPv6 is off"},
		"address twice":   {func(c *bridge.Config) { c.Addrs = prefixes("10.0.0.1/8", "10.0.0.1/24") }, "twice"},
		"mapped address":  {func(c *bridge.Config) { c.Addrs = prefixes("::ffff:10.0.0.1/120") }, "not valid"},
		"mixed route":     {func(c *bridge.Config) { c.Routes = []bridge.Route{route("10.0.0.0/8", "fd00::1", 0)} }, "10.0.0.0/8"},
		"invalid gateway": {func(c *bridge.Config) { c.Routes = make([]bridge.Route, 1) }, "not valid"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := with(tt.change)
			err := new(bridge.Conn).Apply(context.Background(), cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), cfg.Name) {
				t.Errorf("got %v, want an error with %q and %q", err, tt.want, cfg.Name)
			}
		})
	}
}
