package cli

import (
	"context"
	"strings"

	"github.com/digitalocean/go-libvirt"
)

// domIfList runs domiflist.
func domIfList(ctx context.Context, sh *shell, in invocation) error {
	d, err := sh.domain(ctx, in)
	if err != nil {
		return err
	}
	all, err := d.cards(ctx, in.has("inactive"))
	if err != nil {
		return err
	}
	header := []string{"Interface", "Type", "Source", "Model", "MAC"}
	if in.has("addresses") {
		header = append(header, "Network", "Address", "Name")
	}
	t := newTable(header...)
	for _, c := range all {
		row := []string{orDash(c.target), orDash(c.kind), orDash(c.source), orDash(c.model), orDash(c.mac)}
		if in.has("addresses") {
			if c.network == "" && c.kind == "bridge" {
				c.network = d.s.networkOfBridge(ctx, c.source)
			}
			addrs, name := d.s.leaseOf(ctx, c)
			row = append(row, orDash(c.network), orDash(addrs), orDash(name))
		}
		t.add(row...)
	}
	sh.printf("%s", t.format(sh.opts.quiet))
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// leaseOf asks the card's network what addresses it gave, and to what name.
// No answer is no address.
func (s *session) leaseOf(ctx context.Context, c card) (addrs, name string) {
	if c.network == "" || c.mac == "" {
		return "", ""
	}
	n, err := s.networkByName(ctx, c.network)
	if err != nil {
		return "", ""
	}
	var leases []libvirt.NetworkDhcpLease
	err = s.do(ctx, "virNetworkGetDHCPLeases", func() (err error) {
		leases, _, err = s.virt.NetworkGetDhcpLeases(n, libvirt.OptString{c.mac}, 1, 0)
		return err
	})
	if err != nil {
		return "", ""
	}
	var all []string
	for _, l := range leases {
		all = append(all, l.Ipaddr)
		if len(l.Hostname) > 0 && name == "" {
			name = l.Hostname[0]
		}
	}
	return strings.Join(all, ","), name
}

// networkOfBridge finds the active network whose bridge that is, "" if there
// is none.
func (s *session) networkOfBridge(ctx context.Context, bridge string) string {
	all, err := s.listNetworks(ctx, libvirt.ConnectListNetworksActive)
	if err != nil {
		return ""
	}
	for _, n := range all {
		var name string
		err := s.do(ctx, "virNetworkGetBridgeName", func() (err error) {
			name, err = s.virt.NetworkGetBridgeName(n)
			return err
		})
		if err == nil && name == bridge {
			return n.Name
		}
	}
	return ""
}

// domIfAddr runs domifaddr.
func domIfAddr(ctx context.Context, sh *shell, in invocation) error {
	source, err := in.text("source")
	if err != nil {
		return err
	}
	sources := map[string]libvirt.DomainInterfaceAddressesSource{
		"": libvirt.DomainInterfaceAddressesSrcLease, "lease": libvirt.DomainInterfaceAddressesSrcLease,
		"agent": libvirt.DomainInterfaceAddressesSrcAgent, "arp": libvirt.DomainInterfaceAddressesSrcArp,
	}
	from, known := sources[source]
	d, err := sh.domain(ctx, in)
	if err != nil {
		return err
	}
	if !known {
		return worded("Unknown data source '" + source + "'")
	}
	var all []libvirt.DomainInterface
	err = d.s.do(ctx, "virDomainInterfaceAddresses", func() (err error) {
		all, err = d.s.virt.DomainInterfaceAddresses(d.Domain, uint32(from), 0)
		return err
	})
	if err != nil {
		return fail(err, "Failed to query for interfaces addresses")
	}
	sh.extraf(" %-10s %-20s %-8s     %s\n%s\n", "Name", "MAC address", "Protocol", "Address", strings.Repeat("-", 79))
	for _, i := range all {
		if want, given := in.values["interface"]; !given || want == i.Name {
			sh.printAddrs(i, in.has("full"))
		}
	}
	return nil
}

// printAddrs prints a line for each address of an interface.
func (sh *shell) printAddrs(i libvirt.DomainInterface, full bool) {
	mac := ""
	if len(i.Hwaddr) > 0 {
		mac = i.Hwaddr[0]
	}
	if len(i.Addrs) == 0 {
		sh.printf(" %-10s %-17s    %s\n", i.Name, mac, "N/A")
		return
	}
	for n, a := range i.Addrs {
		name, hw := i.Name, mac
		if n > 0 && !full {
			name, hw = "-", "-"
		}
		kind := "ipv4"
		if a.Type == 1 {
			kind = "ipv6"
		}
		sh.printf(" %-10s %-17s    %-12s %s/%d\n", name, hw, kind, a.Addr, a.Prefix)
	}
}

// domIfStat runs domifstat.
func domIfStat(ctx context.Context, sh *shell, in invocation) error {
	d, err := sh.domain(ctx, in)
	if err != nil {
		return err
	}
	device, err := in.text("interface")
	if err != nil {
		return err
	}
	var s [8]int64
	err = d.s.do(ctx, "virDomainInterfaceStats", func() (err error) {
		s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], err = d.s.virt.DomainInterfaceStats(d.Domain, device)
		return err
	})
	if err != nil {
		return fail(err, "Failed to get interface stats %s %s", d.given, device)
	}
	for i, what := range []string{"rx_bytes", "rx_packets", "rx_errs", "rx_drop", "tx_bytes", "tx_packets", "tx_errs", "tx_drop"} {
		if s[i] >= 0 {
			sh.printf("%s %s %d\n", device, what, s[i])
		}
	}
	return nil
}

// domIfGetLink runs domif-getlink. Without a word of its state a link is up.
func domIfGetLink(ctx context.Context, sh *shell, in invocation) error {
	_, c, err := sh.namedCard(ctx, in, in.has("config"))
	if err != nil {
		return err
	}
	device := in.values["interface"]
	if c == nil {
		kind := "dev"
		if isMAC(device) {
			kind = "mac"
		}
		return worded("Interface (" + kind + ": " + device + ") not found.")
	}
	state := c.link
	if state == "" {
		state = "up"
	}
	sh.printf("%s %s", device, state)
	return nil
}

// namedCard finds the card that the option "interface" names, nil if the
// domain has none such.
func (sh *shell) namedCard(ctx context.Context, in invocation, inactive bool) (onDomain, *card, error) {
	d, err := sh.domain(ctx, in)
	if err != nil {
		return d, nil, err
	}
	device, err := in.text("interface")
	if err != nil {
		return d, nil, err
	}
	all, err := d.cards(ctx, inactive)
	if err != nil {
		return d, nil, err
	}
	for _, c := range all {
		if c.isNamed(device) {
			return d, &c, nil
		}
	}
	return d, nil, nil
}

// domIfSetLink runs domif-setlink.
func domIfSetLink(ctx context.Context, sh *shell, in invocation) error {
	state, err := in.text("state")
	if err != nil {
		return err
	}
	d, c, err := sh.namedCard(ctx, in, in.has("config"))
	if err != nil {
		return err
	}
	if state != "up" && state != "down" {
		return worded("invalid link state '" + state + "'")
	}
	if c == nil {
		return worded("interface '" + in.values["interface"] + "' not found")
	}
	doc := c.withLink(state)
	if in.has("print-xml") {
		sh.printf("%s", doc)
		return nil
	}
	flags := libvirt.DomainDeviceModifyLive
	if active, err := d.active(ctx); err != nil {
		return err
	} else if in.has("config") || !active {
		flags = libvirt.DomainDeviceModifyConfig
	}
	err = d.s.change(ctx, "virDomainUpdateDeviceFlags", func() error {
		return d.s.virt.DomainUpdateDeviceFlags(d.Domain, doc, flags)
	})
	if err != nil {
		return fail(err, "Failed to update interface link state")
	}
	sh.extraf("Device updated successfully\n")
	return nil
}
