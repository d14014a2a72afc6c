package lab

import "net/netip"

// udhcpcScript configures eth0 as udhcpc is told by its environment.
const udhcpcScript = `#!/bin/sh
set -e
case $1 in
deconfig)
	ip addr flush dev "$interface"
	ip link set "$interface" up ;;
bound|renew)
	ip addr replace "$ip/${mask:-24}" dev "$interface"
	for r in $router; do ip route replace default via "$r"; done
	{
		[ -z "$domain" ] || echo "search $domain"
		for d in $dns; do echo "nameserver $d"; done
	} >/etc/resolv.conf
	echo "$lease" >/run/lease ;;
esac
`

// Udhcpc gets an address with busybox's client, which sends the guest's name
// and asks again every second. It returns false when it gave up after 20.
func (g *Guest) Udhcpc(t TB) (netip.Addr, bool) {
	t.Helper()
	g.WriteFile(t, "/run/udhcpc.script", udhcpcScript, 0o755)
	r := g.Run(t, "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "20", "-T", "1",
		"-x", "hostname:"+g.Name, "-s", "/run/udhcpc.script")
	if r.Code != 0 {
		t.Logf("%s: udhcpc: %s", g.Name, r)
		return netip.Addr{}, false
	}
	return g.Addr(t), true
}

// Dhclient gets an address with ISC's client and its script of the
// distribution, and leaves the client running for renewals.
func (g *Guest) Dhclient(t TB) (netip.Addr, bool) {
	t.Helper()
	r := g.Run(t, "dhclient", "-4", "-1", "-v", "-pf", "/run/dhclient.pid", "eth0")
	if r.Code != 0 {
		t.Logf("%s: dhclient: %s", g.Name, r)
		return netip.Addr{}, false
	}
	return g.Addr(t), true
}

// Dhcpcd gets an address with dhcpcd, which may not invent one (-L), and
// leaves it running.
func (g *Guest) Dhcpcd(t TB) (netip.Addr, bool) {
	t.Helper()
	r := g.Run(t, "dhcpcd", "-4", "-L", "-w", "-t", "20", "-h", g.Name, "eth0")
	if r.Code != 0 {
		t.Logf("%s: dhcpcd: %s", g.Name, r)
		return netip.Addr{}, false
	}
	return g.Addr(t), true
}
