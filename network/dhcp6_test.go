package network

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

func (h nsHost) ListenDHCP6(link string, server netip.Addr) (c *dhcpd.Conn6, err error) {
	h.ns.Do(func() { c, err = h.Host.ListenDHCP6(link, server) })
	return c, err
}

const statefulDoc = `<network><name>stateful</name><mac address='52:54:00:5d:00:17'/><bridge name='virbr9' stp='off'/><domain name='six.test'/>
<ip address='192.168.69.1' prefix='24'><dhcp><range start='192.168.69.2' end='192.168.69.9'/>
<host mac='52:54:00:00:69:05' name='db' ip='192.168.69.5'/></dhcp></ip>
<ip family='ipv6' address='fd00:69::1' prefix='64'><dhcp><range start='fd00:69::100' end='fd00:69::1ff'/>
<host name='db' ip='fd00:69::5'/></dhcp></ip></network>`

// The first guest of a bridge that has never had a carrier gets its address,
// its names and its lease are known, and it is found by the MAC that the
// definition gives its IPv4 fellow.
func TestIPv6GuestGetsItsReservation(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(statefulDoc)
	g := s.plug(t, "virbr9")
	g.Run(t, "ip link set eth0 down; ip link set eth0 address 52:54:00:00:69:05 up")
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ -z \"$new_ip6_address\" ] || ip addr replace $new_ip6_address/128 dev eth0 nodad\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	kerneltest.Wait(t, 5*time.Second, "the guest's link-local address", func() bool {
		out := g.Run(t, "ip -6 addr show dev eth0 scope link")
		return strings.Contains(out, "fe80") && !strings.Contains(out, "tentative")
	})
	g.Run(t, "dhclient -6 -1 -lf "+dir+"/leases -pf "+dir+"/pid -sf "+script+" eth0")
	waitFor(t, g, "ip -6 addr show dev eth0", "inet6 fd00:69::5/128")
	leases, err := s.Leases(ref.UUID, "52:54:00:00:69:05")
	if err != nil || len(leases) != 1 || leases[0].Addr.String() != "fd00:69::5" || leases[0].Hostname != "db" || len(leases[0].ClientID) == 0 {
		t.Errorf("leases: %+v, %v", leases, err)
	}
	waitFor(t, s.ns, "dig +short +time=1 +tries=1 @192.168.69.1 db.six.test AAAA || :", "fd00:69::5")
	kerneltest.Wait(t, 5*time.Second, "the lease in the status file", func() bool {
		text, _ := os.ReadFile(s.statusPath("virbr9"))
		return strings.Contains(string(text), `"ip-address": "fd00:69::5"`) && strings.Contains(string(text), `"server-duid": "00:04:`)
	})
}
