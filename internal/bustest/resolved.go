package bustest

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// Resolved is a stand-in for systemd-resolved.
type Resolved struct {
	mu    sync.Mutex
	links map[int]map[string]string // by method
	calls int
	fail  string
}

// Resolved starts the stand-in.
func (b *Bus) Resolved(t testing.TB) *Resolved {
	t.Helper()
	r := &Resolved{links: make(map[int]map[string]string)}
	b.serve(t, "org.freedesktop.resolve1", "/org/freedesktop/resolve1", map[string]map[string]any{
		"org.freedesktop.resolve1.Manager": {
			"SetLinkDomains": r.setDomains, "SetLinkDNS": r.setDNS, "RevertLink": r.revert,
			"SetLinkDNSSEC":     func(index int32, mode string) *dbus.Error { return r.note("SetLinkDNSSEC", int(index), mode) },
			"SetLinkDNSOverTLS": func(index int32, mode string) *dbus.Error { return r.note("SetLinkDNSOverTLS", int(index), mode) },
		},
	})
	return r
}

func (r *Resolved) setDomains(index int32, domains []struct {
	Name        string
	RoutingOnly bool
}) *dbus.Error {
	var text string
	for _, d := range domains {
		if d.RoutingOnly {
			text += "~"
		}
		text += d.Name + " "
	}
	return r.note("SetLinkDomains", int(index), text)
}

func (r *Resolved) setDNS(index int32, servers []struct {
	Family  int32
	Address []byte
}) *dbus.Error {
	var text string
	for _, s := range servers {
		addr, ok := netip.AddrFromSlice(s.Address)
		if !ok {
			return dbus.NewError("org.freedesktop.DBus.Error.InvalidArgs", nil)
		}
		text += fmt.Sprintf("%d/%s ", s.Family, addr)
	}
	return r.note("SetLinkDNS", int(index), text)
}

func (r *Resolved) note(method string, index int, text string) *dbus.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail == method {
		return dbus.NewError("org.freedesktop.resolve1.LinkBusy", []any{"Link is managed."})
	}
	if r.links[index] == nil {
		r.links[index] = make(map[string]string)
	}
	r.links[index][method] = text
	r.calls++
	return nil
}

func (r *Resolved) revert(index int32) *dbus.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.links, int(index))
	return nil
}

// Fail makes a method fail from now on.
func (r *Resolved) Fail(method string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = method
}

// Links returns, by link index, the domains ("~" before those that are for
// routing only) and then the servers ("family/address") it was told.
func (r *Resolved) Links() map[int]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := make(map[int]string)
	for index, l := range r.links {
		told[index] = l["SetLinkDomains"] + l["SetLinkDNS"]
	}
	return told
}

// Calls is how many calls it has answered well.
func (r *Resolved) Calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}
