package resolved_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/bustest"
	"github.com/vnetmgr/vnetmgr/internal/systembus"
	"github.com/vnetmgr/vnetmgr/resolved"
)

var registration = resolved.Registration{
	Link: "virbr0", Domains: []string{"example.test", "9.168.192.in-addr.arpa"},
	Servers: []netip.Addr{netip.MustParseAddr("192.168.9.1"), netip.MustParseAddr("fd00:9::1")},
}

func client(t *testing.T, address string) *resolved.Client {
	bus := systembus.New(address)
	t.Cleanup(func() { bus.Close() })
	return resolved.New(bus)
}

func TestRegisterRoutesTheDomainToTheServers(t *testing.T) {
	bus := bustest.New(t)
	r := bus.Resolved(t)
	if err := client(t, bus.Address).Register(t.Context(), 7, registration); err != nil {
		t.Fatal(err)
	}
	want := map[int]string{7: "~example.test ~9.168.192.in-addr.arpa 2/192.168.9.1 10/fd00:9::1 "}
	if diff := cmp.Diff(want, r.Links()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFailedRegistrationLeavesNothing(t *testing.T) {
	for _, method := range []string{"SetLinkDomains", "SetLinkDNSSEC", "SetLinkDNSOverTLS", "SetLinkDNS"} {
		bus := bustest.New(t)
		r := bus.Resolved(t)
		r.Fail(method)
		err := client(t, bus.Address).Register(t.Context(), 7, registration)
		if err == nil || !strings.Contains(err.Error(), "Link is managed.") {
			t.Errorf("%s: %v", method, err)
		}
		if left := r.Links(); len(left) > 0 {
			t.Errorf("%s: left %v", method, left)
		}
	}
}

func TestAbsentResolverIsNamed(t *testing.T) {
	for name, address := range map[string]string{"no bus": "", "nobody on the bus": bustest.New(t).Address} {
		if err := client(t, address).Register(t.Context(), 7, registration); !errors.Is(err, resolved.ErrAbsent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
