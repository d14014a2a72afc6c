package bustest

import (
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// Firewalld is a stand-in for firewalld with some zones and policies.
type Firewalld struct {
	conn     *dbus.Conn
	policies []string

	mu    sync.Mutex
	zones []string
	links map[string]string // zone by link
	calls int               // that changed something
}

const firewalldName, firewalldPath = "org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1"

// Firewalld starts the stand-in. One with policies nil is an old one that does
// not know of any.
func (b *Bus) Firewalld(t testing.TB, zones, policies []string) *Firewalld {
	t.Helper()
	f := &Firewalld{zones: zones, policies: policies, links: make(map[string]string)}
	interfaces := map[string]map[string]any{
		firewalldName + ".zone": {
			"getZones": f.getZones, "getZoneOfInterface": f.zoneOf,
			"changeZoneOfInterface": f.change, "removeInterface": f.remove,
		},
	}
	if policies != nil {
		interfaces[firewalldName+".policy"] = map[string]any{"getPolicies": f.getPolicies}
	}
	f.conn = b.serve(t, firewalldName, firewalldPath, interfaces)
	return f
}

func (f *Firewalld) getZones() ([]string, *dbus.Error)    { return f.zones, nil }
func (f *Firewalld) getPolicies() ([]string, *dbus.Error) { return f.policies, nil }

func (f *Firewalld) zoneOf(link string) (string, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.links[link], nil
}

func (f *Firewalld) change(zone, link string) (string, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.zones, zone) {
		return "", exception("INVALID_ZONE: " + zone)
	}
	f.links[link] = zone
	f.calls++
	return zone, nil
}

func (f *Firewalld) remove(zone, link string) (string, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, ok := f.links[link]
	if !ok {
		return "", exception("UNKNOWN_INTERFACE: " + link)
	}
	delete(f.links, link)
	f.calls++
	return was, nil
}

func exception(text string) *dbus.Error {
	return dbus.NewError(firewalldName+".Exception", []any{text})
}

// Links returns the zone of each link that is in one.
func (f *Firewalld) Links() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.links)
}

// Changes is how many calls changed something.
func (f *Firewalld) Changes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Reload forgets all links, as a complete reload does, and says so.
func (f *Firewalld) Reload(t testing.TB) {
	t.Helper()
	f.mu.Lock()
	clear(f.links)
	f.mu.Unlock()
	if err := f.conn.Emit(firewalldPath, firewalldName+".Reloaded"); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the stand-in.
func (f *Firewalld) Stop() { f.conn.Close() }
