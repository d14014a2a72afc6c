package cli

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// portText is an attached port as it is printed in JSON. What is not known is
// left out.
type portText struct {
	Port      string     `json:"port"` // UUID
	Network   string     `json:"network"`
	Bridge    string     `json:"bridge"`
	Link      string     `json:"link"`
	Netns     string     `json:"netns,omitempty"`
	Ifname    string     `json:"ifname,omitempty"` // in the namespace
	MAC       string     `json:"mac"`
	MTU       uint32     `json:"mtu"`
	Addresses []addrText `json:"addresses"`
	Resolvers []string   `json:"nameservers"`
	Domain    string     `json:"domain,omitempty"`
	Name      string     `json:"name,omitempty"`
	User      *uint32    `json:"user,omitempty"`
	Group     *uint32    `json:"group,omitempty"`

	Existing   bool `json:"existing"`
	MultiQueue bool `json:"multiqueue"`
	VNetHdr    bool `json:"vnet_hdr"`
	MACRule    bool `json:"mac_rule"`
	Isolated   bool `json:"isolated"`

	// BootArg is for the kernel's command line.
	BootArg string `json:"kernel_ip,omitempty"`
	// Firecracker is an element of its network-interfaces.
	Firecracker *firecrackerText `json:"firecracker,omitempty"`
}

type addrText struct {
	Address string `json:"address"`
	Prefix  int    `json:"prefix"`
	Netmask string `json:"netmask,omitempty"` // IPv4
	Gateway string `json:"gateway,omitempty"`
}

// firecrackerText is NetworkInterface of Firecracker's API.
type firecrackerText struct {
	ID   string `json:"iface_id"`
	Host string `json:"host_dev_name"`
	MAC  string `json:"guest_mac"`
}

// describePort puts what the daemon says into the form of JSON.
func describePort(p wire.AttachedPort) portText {
	has := func(flag uint32) bool { return p.Flags&flag != 0 }
	d := portText{
		Port: formatUUID(libvirt.UUID(p.UUID)), Network: p.Network.Name, Bridge: p.Bridge, Link: p.Link, Netns: p.Netns,
		Ifname: p.GuestLink, MAC: p.MAC, MTU: p.MTU, Addresses: []addrText{}, Resolvers: append([]string{}, p.Resolvers...),
		Domain: p.Domain, Name: p.Name, User: p.User, Group: p.Group,
		Existing: has(wire.AttachExisting), MultiQueue: has(wire.AttachMultiQueue), VNetHdr: has(wire.AttachVNetHdr),
		MACRule: has(wire.AttachMACRule), Isolated: has(wire.AttachIsolated),
	}
	for _, text := range p.Addrs {
		if addr, err := netip.ParsePrefix(text); err == nil {
			d.Addresses = append(d.Addresses, describeAddr(addr, p.Gateways))
		}
	}
	if p.Netns == "" {
		d.BootArg = d.bootArg()
		d.Firecracker = &firecrackerText{ID: "eth0", Host: p.Link, MAC: p.MAC}
	}
	return d
}

func describeAddr(p netip.Prefix, gateways []string) addrText {
	a := addrText{Address: p.Addr().String(), Prefix: p.Bits()}
	if p.Addr().Is4() {
		a.Netmask = net.IP(net.CIDRMask(p.Bits(), 32)).String()
	}
	a.Gateway = sameFamily(p.Addr(), gateways)
	return a
}

// sameFamily is the first of all that is of addr's family, "" if none is.
func sameFamily(addr netip.Addr, all []string) string {
	for _, text := range all {
		if other, err := netip.ParseAddr(text); err == nil && other.Is4() == addr.Is4() {
			return text
		}
	}
	return ""
}

// bootArg is the Linux kernel's argument ip=
// (Documentation/admin-guide/nfs/nfsroot.rst), "" without an IPv4 address:
// ADDR:SERVER:GATEWAY:NETMASK:HOSTNAME:LINK:off:DNS.
func (d portText) bootArg() string {
	for _, a := range d.Addresses {
		addr, err := netip.ParseAddr(a.Address)
		if err != nil || !addr.Is4() {
			continue
		}
		fields := []string{a.Address, "", a.Gateway, a.Netmask, d.Name, "eth0", "off", sameFamily(addr, d.Resolvers)}
		return "ip=" + strings.TrimRight(strings.Join(fields, ":"), ":")
	}
	return ""
}

func (d portText) kind() string {
	switch {
	case d.Netns != "":
		return "netns"
	case d.Existing:
		return "existing tap"
	}
	return "tap"
}

// card is the port as people read it.
func (d portText) card() string {
	var b strings.Builder
	line := func(label, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-15s %s\n", label+":", value)
		}
	}
	line("Port", d.Port)
	line("Link", d.Link)
	line("Namespace", strings.TrimSpace(d.Netns+" "+d.Ifname))
	line("MAC address", d.MAC)
	line("MTU", fmt.Sprint(d.MTU))
	for _, a := range d.Addresses {
		line("Address", fmt.Sprintf("%s/%d", a.Address, a.Prefix))
		line("Gateway", a.Gateway)
	}
	line("Resolver", strings.Join(d.Resolvers, " "))
	line("Name", d.Name)
	line("Kernel", d.BootArg)
	return b.String()
}

// printJSON prints v, indented.
func (sh *shell) printJSON(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	sh.printf("%s\n", text)
	return nil
}
