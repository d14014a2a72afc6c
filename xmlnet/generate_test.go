package xmlnet

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// maybe draws a value, or its zero value.
func maybe[T any](t *rapid.T, g *rapid.Generator[T], label string) (v T) {
	if rapid.Bool().Draw(t, label+"?") {
		v = g.Draw(t, label)
	}
	return v
}

func pointer[T any](t *rapid.T, g *rapid.Generator[T], label string) *T {
	if !rapid.Bool().Draw(t, label+"?") {
		return nil
	}
	v := g.Draw(t, label)
	return &v
}

var (
	anyTristate = rapid.SampledFrom([]Tristate{Unset, Yes, No})
	shortText   = xmlText()
	oneTextLine = shortText.Filter(func(s string) bool { return !strings.ContainsAny(s, "\r\n") })
	plainWord   = rapid.StringMatching(`[a-z][a-z0-9]{0,8}`)
	anyMAC      = rapid.Custom(func(t *rapid.T) net.HardwareAddr {
		mac := rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "mac")
		mac[0] &^= 1
		return mac
	})
	anyUUID = rapid.Custom(func(t *rapid.T) (id UUID) {
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		id[0] |= 1
		return id
	})
	anyLease = rapid.Custom(func(t *rapid.T) Lease {
		l := Lease{Expiry: rapid.Uint64Range(120, 1<<40).Draw(t, "expiry"), Unit: rapid.SampledFrom([]LeaseUnit{Minutes, Seconds, Hours}).Draw(t, "unit")}
		if rapid.Bool().Draw(t, "infinite") {
			return Lease{} // is printed without a unit
		}
		return l
	})
	anyRate = rapid.Custom(func(t *rapid.T) Rate {
		return Rate{Average: rapid.Uint64Range(1, 1<<54).Draw(t, "average"), Peak: rapid.Uint64Range(0, 1<<54).Draw(t, "peak"), Burst: rapid.Uint64Range(0, 1<<22-1).Draw(t, "burst")}
	})
	anyBandwidth = rapid.Custom(func(t *rapid.T) *Bandwidth {
		b := &Bandwidth{Inbound: pointer(t, anyRate, "inbound"), Outbound: pointer(t, anyRate, "outbound")}
		if b.Inbound == nil && b.Outbound == nil {
			return nil
		}
		return b
	})
	anyVLAN = rapid.Custom(func(t *rapid.T) *VLAN {
		v := &VLAN{}
		native := false
		for i := range rapid.IntRange(1, 3).Draw(t, "tags") {
			tag := VLANTag{ID: rapid.Uint16Range(0, 4095).Draw(t, "id")}
			if !native && rapid.Bool().Draw(t, "native") {
				native, tag.NativeMode = true, rapid.SampledFrom([]string{"tagged", "untagged"}).Draw(t, "mode")
			}
			v.Tags = append(v.Tags, tag)
			v.Trunk = i > 0
		}
		v.Trunk = v.Trunk || rapid.Bool().Draw(t, "trunk")
		return v
	})
)

// anyVirtualPort draws one, of any type if any is set, else with one.
func anyVirtualPort(untyped bool) *rapid.Generator[*VirtualPort] {
	return rapid.Custom(func(t *rapid.T) *VirtualPort {
		kinds := []string{"802.1Qbg", "802.1Qbh", "openvswitch", "midonet"}
		if untyped {
			kinds = append(kinds, "")
		}
		v := &VirtualPort{Type: rapid.SampledFrom(kinds).Draw(t, "type")}
		profile := rapid.StringMatching(`[ -~]{1,39}`)
		if v.Type == "802.1Qbg" || v.Type == "" {
			v.ManagerID, v.TypeIDVersion = pointer(t, rapid.Byte(), "managerid"), pointer(t, rapid.Byte(), "typeidversion")
			v.TypeID, v.InstanceID = pointer(t, rapid.Uint32Range(0, 1<<24-1), "typeid"), pointer(t, anyUUID, "instanceid")
		}
		if v.Type != "802.1Qbg" && v.Type != "midonet" {
			v.ProfileID = pointer(t, profile, "profileid")
		}
		if v.Type == "openvswitch" || v.Type == "midonet" || v.Type == "" {
			v.InterfaceID = pointer(t, anyUUID, "interfaceid")
		}
		if *v == (VirtualPort{}) {
			return nil // says nothing, and is not kept
		}
		return v
	})
}

// anyNetwork draws networks with all that a mode can have.
var anyNetwork = rapid.Custom(func(t *rapid.T) *Network {
	n := &Network{
		Name:  shortText.Filter(func(s string) bool { return !strings.ContainsAny(s, "/\n") }).Draw(t, "name"),
		UUID:  anyUUID.Draw(t, "uuid"),
		Title: maybe(t, shortText.Filter(func(s string) bool { return !strings.Contains(s, "\n") }), "title"), Description: maybe(t, shortText, "description"),
		IPv6: rapid.Bool().Draw(t, "ipv6"), TrustGuestRxFilters: anyTristate.Draw(t, "trust"),
		Isolated: anyTristate.Draw(t, "isolated"),
	}
	n.Forward.Mode = ForwardMode(rapid.IntRange(int(Isolated), int(Hostdev)).Draw(t, "mode"))
	if rapid.Bool().Draw(t, "metadata") {
		n.Metadata = []Metadata{{"urn:a", "<a xmlns=\"urn:a\" x=\"1\">\n  <b>text</b>\n</a>"}}
	}
	if n.Forward.Mode.OwnBridge() {
		n.ownBridge(t)
	} else {
		n.pool(t)
	}
	n.DNS.Forwarders = nil
	for range rapid.IntRange(0, 2).Draw(t, "forwarders") {
		f := Forwarder{Domain: maybe(t, plainWord, "domain"), Addr: address(t, 4, "forwarder")}
		n.DNS.Forwarders = append(n.DNS.Forwarders, f)
	}
	n.DNS.ForwardPlainNames = anyTristate.Draw(t, "plain")
	for i := range rapid.IntRange(0, 3).Draw(t, "portgroups") {
		g := PortGroup{Name: fmt.Sprint("p", i), Default: i == 1, TrustGuestRxFilters: anyTristate.Draw(t, "trust")}
		g.VirtualPort = maybe(t, anyVirtualPort(true), "virtualport")
		g.VLAN = maybe(t, anyVLAN, "vlan")
		g.Bandwidth = maybe(t, anyBandwidth, "bandwidth")
		n.PortGroups = append(n.PortGroups, g)
	}
	n.VirtualPort = maybe(t, anyVirtualPort(false), "virtualport")
	n.VLAN = maybe(t, anyVLAN, "vlan")
	n.DNSMasqOptions = maybe(t, rapid.SliceOfN(shortText, 1, 3), "options")
	return n
})

// address draws an address of a family.
func address(t *rapid.T, family int, label string) netip.Addr {
	if family == 4 {
		return netip.AddrFrom4([4]byte{10, rapid.Byte().Draw(t, label), rapid.Byte().Draw(t, label), rapid.ByteRange(1, 254).Draw(t, label)})
	}
	return netip.AddrFrom16([16]byte{0xfd, rapid.Byte().Draw(t, label), 15: rapid.ByteRange(1, 254).Draw(t, label)})
}

// pool draws what networks without a bridge of their own have.
func (n *Network) pool(t *rapid.T) {
	f := &n.Forward
	if f.Mode == BridgeMode && rapid.Bool().Draw(t, "bridge") {
		n.Bridge.Name = plainWord.Draw(t, "bridge")
		n.Bridge.MACTableManager = rapid.SampledFrom([]MACTableManager{MACTableUnset, MACTableKernel, MACTableLibvirt}).Draw(t, "FDB")
		n.Bandwidth = maybe(t, anyBandwidth, "bandwidth")
		return
	}
	f.Driver = maybe(t, rapid.SampledFrom([]string{"kvm", "vfio", "xen"}), "driver")
	f.DriverModel = maybe(t, shortText, "model")
	f.Managed = f.Mode == Hostdev && rapid.Bool().Draw(t, "managed")
	switch {
	case rapid.Bool().Draw(t, "pf"):
		f.PF = shortText.Draw(t, "pf")
	case f.Mode == Hostdev:
		for i := range rapid.IntRange(0, 3).Draw(t, "addresses") {
			f.Addresses = append(f.Addresses, PCIAddress{rapid.Uint32().Draw(t, "domain"), rapid.Byte().Draw(t, "bus"), rapid.ByteRange(0, 31).Draw(t, "slot"), uint8(i)})
		}
	default:
		for i := range rapid.IntRange(0, 3).Draw(t, "interfaces") {
			f.Interfaces = append(f.Interfaces, fmt.Sprintf("e%d'", i))
		}
	}
}

// ownBridge draws what networks with a bridge of their own have.
func (n *Network) ownBridge(t *rapid.T) {
	n.Bridge = Bridge{
		Name: maybe(t, shortText, "bridge"), Zone: maybe(t, shortText, "zone"), STPOff: rapid.Bool().Draw(t, "stp"), Delay: rapid.Uint32().Draw(t, "delay"),
		MACTableManager: rapid.SampledFrom([]MACTableManager{MACTableUnset, MACTableKernel, MACTableLibvirt}).Draw(t, "FDB"),
	}
	n.MTU, n.MAC = maybe(t, rapid.Uint32(), "mtu"), maybe(t, anyMAC, "mac")
	n.Bandwidth = maybe(t, anyBandwidth, "bandwidth")
	if rapid.Bool().Draw(t, "domain") {
		n.Domain = Domain{Name: shortText.Draw(t, "domain"), LocalOnly: anyTristate.Draw(t, "localOnly")}
		if n.Domain.LocalOnly == Yes {
			n.Domain.Register = anyTristate.Draw(t, "register")
		}
	}
	if f := &n.Forward; f.Mode == NAT || f.Mode == RouteMode {
		if rapid.Bool().Draw(t, "dev") {
			f.Interfaces = []string{shortText.Draw(t, "dev")}
		}
		if f.Mode == NAT {
			f.NATIPv6 = anyTristate.Draw(t, "nat ipv6")
			f.NATPorts = pointer(t, rapid.Just(PortRange{1024, 2048}), "ports")
			f.NATAddrs = pointer(t, rapid.Just(AddrRange{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.9")}), "addresses")
		}
	}
	n.names(t)
	n.subnets(t)
}

// names draws DNS records.
func (n *Network) names(t *rapid.T) {
	d := &n.DNS
	for range rapid.IntRange(0, 2).Draw(t, "txts") {
		d.TXT = append(d.TXT, TXT{plainWord.Draw(t, "txt"), oneTextLine.Draw(t, "value")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "srvs") {
		s := SRV{Service: plainWord.Draw(t, "service"), Protocol: plainWord.Draw(t, "protocol"), Domain: maybe(t, oneTextLine, "domain"), Target: maybe(t, oneTextLine, "target")}
		if s.Target != "" {
			s.Port, s.Priority, s.Weight = rapid.Uint16().Draw(t, "port"), rapid.Uint16().Draw(t, "priority"), rapid.Uint16().Draw(t, "weight")
		}
		d.SRV = append(d.SRV, s)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "hosts") {
		d.Hosts = append(d.Hosts, DNSHost{address(t, 4+2*i, "host"), rapid.SliceOfN(shortText, 1, 2).Draw(t, "names")})
	}
	d.Enable = rapid.SampledFrom([]Tristate{Unset, Yes}).Draw(t, "enable")
}

// subnets draws <ip> and <route> elements; a network that forwards has one.
func (n *Network) subnets(t *rapid.T) {
	least := 0
	if n.Forward.Mode == NAT || n.Forward.Mode == RouteMode {
		least = 1
	}
	dhcp := map[int]bool{}
	for range rapid.IntRange(least, 3).Draw(t, "ips") {
		family := rapid.SampledFrom([]int{4, 6}).Draw(t, "family")
		ip := IP{Text: IPText{HasPrefix: true}, Local: anyTristate.Draw(t, "localPtr")}
		if family == 4 {
			ip.Prefix = netip.PrefixFrom(address(t, 4, "ip"), 8)
			ip.TFTPRoot = maybe(t, shortText, "root")
			if rapid.Bool().Draw(t, "netmask") {
				ip.Text = IPText{Family: "ipv4", Netmask: "255.0.0.0"}
			}
		} else {
			ip.Prefix, ip.Text.Family = netip.PrefixFrom(address(t, 6, "ip"), 64), "ipv6"
		}
		if !dhcp[family] && rapid.Bool().Draw(t, "dhcp") {
			dhcp[family] = true
			ip.dhcp(t, family)
		}
		n.IPs = append(n.IPs, ip)
		if rapid.Bool().Draw(t, "route") {
			n.route(t, ip, family)
		}
	}
}

func (n *Network) route(t *rapid.T, ip IP, family int) {
	r := Route{Gateway: ip.Prefix.Addr().Next(), Metric: rapid.Uint32().Draw(t, "metric"), Text: IPText{HasPrefix: true}}
	r.Dst = netip.MustParsePrefix("172.16.0.0/12")
	if family == 6 {
		r.Dst, r.Text.Family = netip.MustParsePrefix("fd99::/32"), "ipv6"
	}
	n.Routes = append(n.Routes, r)
}

// dhcp draws ranges and reservations.
func (ip *IP) dhcp(t *rapid.T, family int) {
	base := ip.Prefix.Masked().Addr().Next().Next()
	for range rapid.IntRange(0, 2).Draw(t, "ranges") {
		ip.Ranges = append(ip.Ranges, Range{AddrRange{base, base.Next().Next()}, pointer(t, anyLease, "lease")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "hosts") {
		h := Host{Name: "h" + shortText.Draw(t, "name"), Addr: base, Lease: pointer(t, anyLease, "lease")}
		if family == 4 && rapid.Bool().Draw(t, "mac") {
			h.MAC = anyMAC.Draw(t, "mac")
			h.MACText = h.MAC.String()
		}
		h.ID = maybe(t, rapid.SampledFrom([]string{"0:1:0:1", "ab:cd"}), "id")
		ip.Hosts = append(ip.Hosts, h)
	}
	if family == 4 && ip.HasDHCP() && rapid.Bool().Draw(t, "bootp") {
		ip.Bootp = &Bootp{File: shortText.Draw(t, "file"), Server: address(t, 4, "server")}
	}
}

// Printing what is a network, and reading it, gives that network, whatever it
// has; and printing it again the same text.
func TestAnyNetworkSurvivesPrintingAndReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkRoundTrip(t, anyNetwork.Draw(t, "network")) })
}

// The generator must not fall behind the type.
func TestEveryFieldOfANetworkIsDrawn(t *testing.T) {
	drawn := map[string]bool{}
	for seed := range 1000 {
		note(drawn, "Network", reflect.ValueOf(anyNetwork.Example(seed)))
	}
	fields := map[string]bool{}
	all(fields, "Network", reflect.TypeFor[Network]())
	for f := range fields {
		switch f {
		case "Network.IPs.Text.BadNetmask", "Network.Routes.Text.BadNetmask", "Network.Routes.Text.Netmask",
			"Network.Bandwidth.ClassID", "Network.Bandwidth.Inbound.Floor", "Network.Bandwidth.Outbound.Floor",
			"Network.PortGroups.Bandwidth.ClassID", "Network.PortGroups.Bandwidth.Inbound.Floor", "Network.PortGroups.Bandwidth.Outbound.Floor":
			continue // of ports, or not to be started
		}
		if !drawn[f] {
			t.Errorf("%s is never drawn", f)
		}
	}
}

// note notes the fields of v that are not zero.
func note(drawn map[string]bool, name string, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		note(drawn, name, v.Elem())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			note(drawn, name, v.Index(i))
		}
	case v.Kind() == reflect.Struct && v.Type().PkgPath() == reflect.TypeFor[Network]().PkgPath():
		for i := range v.NumField() {
			note(drawn, name+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case !v.IsZero():
		drawn[name] = true
	}
}

// all are the names of a type's fields, as note has them.
func all(fields map[string]bool, name string, t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[Network]().PkgPath() {
		fields[name] = true
		return
	}
	for i := range t.NumField() {
		all(fields, name+"."+t.Field(i).Name, t.Field(i).Type)
	}
}
