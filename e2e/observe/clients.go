package observe

import (
	"regexp"
	"slices"
	"strings"
)

// The clients of the distribution take leases as the guest itself. What they
// tell their scripts is what they make of the answers.

// udhcpcScript writes down what udhcpc is told, and configures the link.
const udhcpcScript = `#!/bin/sh
case $1 in bound)
	env | grep -E '^(boot_file|broadcast|dns|domain|hostname|interface|ip|lease|mask|mtu|ntpsrv|router|search|serverid|siaddr|sname|staticroutes|subnet|tftp)=' >/run/udhcpc.env
	ip addr add "$ip/$mask" dev "$interface" ;;
esac
`

func (o *observer) udhcpc() {
	s := o.report.add("udhcpc")
	o.guest.WriteFile(o.t, "/run/udhcpc.script", udhcpcScript, 0o755)
	r := o.guest.Run(o.t, "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "10", "-T", "3", "-x", "hostname:"+guestName,
		"-O", "mtu", "-O", "search", "-s", "/run/udhcpc.script")
	o.told(s, r.Code == 0, "/run/udhcpc.env")
}

// dhclientScript writes down what dhclient is told.
const dhclientScript = `#!/bin/sh
case $reason in BOUND)
	env | grep '^new_' | grep -vE '_(expiry|dhcp_client_identifier)=' >/run/dhclient.env
esac
exit 0
`

// dhclientConf has dhclient be the client that udhcpc was: it goes by its MAC.
const dhclientConf = "send host-name \"" + guestName + "\";\nsend dhcp-client-identifier 01:" + guestMAC + ";\n" +
	"request subnet-mask, broadcast-address, routers, domain-name-servers, domain-name, host-name, interface-mtu, domain-search;\n"

func (o *observer) dhclient() {
	s := o.report.add("dhclient")
	o.guest.WriteFile(o.t, "/run/dhclient", dhclientScript, 0o755)
	o.guest.WriteFile(o.t, "/run/dhclient.conf", dhclientConf, 0o644)
	r := o.guest.Run(o.t, "timeout", "30", "dhclient", "-4", "-1", "-sf", "/run/dhclient", "-cf", "/run/dhclient.conf",
		"-lf", "/run/dhclient.leases", "-pf", "/run/dhclient.pid", "eth0")
	o.told(s, r.Code == 0, "/run/dhclient.env")
	o.guest.Run(o.t, "sh", "-c", "kill $(cat /run/dhclient.pid)")
}

// ofLease is what dhcpcd prints of an answer.
var ofLease = regexp.MustCompile(`(?m)^new_(\w+)=(.*)$`)

func (o *observer) dhcpcd() {
	s := o.report.add("dhcpcd")
	r := o.guest.Run(o.t, "timeout", "30", "dhcpcd", "-4", "-L", "-T", "-h", guestName, "-I", "01:"+guestMAC, "eth0")
	for _, m := range ofLease.FindAllStringSubmatch(r.Stdout, -1) {
		s.line("%s=%s", m[1], strings.Trim(m[2], "'"))
	}
	slices.Sort(s.Lines)
	if len(s.Lines) == 0 {
		s.line("no offer")
	}
}

// told writes down what a client's script did.
func (o *observer) told(s *Section, ok bool, file string) {
	if !ok {
		s.line("no lease")
		return
	}
	env, err := o.guest.ReadFile(file)
	if err != nil {
		o.t.Fatalf("read what a client was told: %v", err)
	}
	s.Lines = strings.Split(strings.TrimSpace(string(env)), "\n")
	slices.Sort(s.Lines)
}
