package observe

import (
	"net/netip"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Subject is a network that runs on a host.
type Subject struct {
	Host      *lab.Host
	Network   *xmlnet.Network
	Upstreams *Upstreams
	// Names are asked for besides what the definition names: "TYPE NAME".
	Names []string
	// Leases lists the network's leases, as net-dhcp-leases prints them.
	Leases func() string
}

// observer is a look at a subject by a guest.
type observer struct {
	Subject
	t     lab.TB
	guest *lab.Guest
	// other has a bridge port of its own, as the share of a port is limited.
	other  *lab.Guest
	report Report
}

// patience is for what has to happen, however busy the computer is.
const patience = 30 * time.Second

// Network looks at a network from a guest of its own and from the host.
func Network(t lab.TB, s Subject) *Report {
	t.Helper()
	o := &observer{Subject: s, t: t}
	o.plugIn()
	o.host()
	o.advertisement()
	o.dhcp4()
	o.dhcp6()
	o.addresses()
	o.dns()
	o.tftp()
	o.listeners()
	return &o.report
}

// Addresses that the observer gives its guests: in none of the fixtures.
const (
	guestMAC = "52:54:00:0b:5e:01"
	// guestName is what the guest calls itself.
	guestName = "observer"
)

// plugIn makes the guests and waits until the bridge forwards their frames.
func (o *observer) plugIn() {
	o.guest = o.Host.Guest(o.t, o.Network.Bridge.Name, guestName)
	o.other = o.Host.Guest(o.t, o.Network.Bridge.Name, "other")
	for _, g := range []*lab.Guest{o.guest, o.other} {
		g.Must(o.t, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0", "net.ipv6.conf.all.accept_dad=0",
			"net.ipv6.conf.eth0.accept_ra=0")
	}
	o.guest.Must(o.t, "ip", "link", "set", "eth0", "address", guestMAC)
	o.guest.LinkUp(o.t)
	o.other.LinkUp(o.t)
	for _, g := range []*lab.Guest{o.guest, o.other} {
		lab.Eventually(o.t, patience, "the bridge port "+g.Port+" forwards", func() bool {
			state, err := o.Host.ReadFile("/sys/class/net/" + g.Port + "/brport/state")
			return err == nil && strings.TrimSpace(string(state)) == "3"
		})
	}
	lab.Eventually(o.t, patience, "the guest has a link-local address", func() bool {
		out := o.guest.Must(o.t, "ip", "-6", "addr", "show", "dev", "eth0", "scope", "link", "-tentative")
		return strings.Contains(out, "inet6 fe80:")
	})
	lab.Eventually(o.t, patience, "the bridge's addresses are known to be its own", func() bool {
		out := o.Host.Must(o.t, "ip", "-6", "addr", "show", "dev", o.Network.Bridge.Name)
		return !strings.Contains(out, "tentative") && (!o.hasIPv6() || strings.Contains(out, "inet6 fe80:"))
	})
}

// addresses gives the guest an address of each subnet, to ask from.
func (o *observer) addresses() {
	for _, ip := range o.Network.IPs {
		if ip.Prefix.IsSingleIP() {
			continue
		}
		if ip.Prefix.Addr().Is4() && ip.HasDHCP() {
			continue // it has a lease
		}
		addr := ip.Prefix.Addr().Next()
		o.guest.Run(o.t, "ip", "addr", "add", netip.PrefixFrom(addr, ip.Prefix.Bits()).String(), "dev", "eth0", "nodad")
	}
}
