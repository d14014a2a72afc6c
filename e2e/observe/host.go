package observe

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// bridgeFiles are those of /sys/class/net/BRIDGE that hold what was set, rather
// than what is counted.
var bridgeFiles = []string{
	"mtu", "address", "tx_queue_len", "bridge/stp_state", "bridge/forward_delay", "bridge/hello_time", "bridge/max_age",
	"bridge/priority", "bridge/group_fwd_mask",
}

// host looks at what the network is on the host: its link, addresses, routes,
// and what was set under /proc/sys.
func (o *observer) host() {
	s := o.report.add("host")
	name := o.Network.Bridge.Name
	for _, file := range bridgeFiles {
		content, err := o.Host.ReadFile("/sys/class/net/" + name + "/" + file)
		if err != nil {
			s.line("%s: %v", path.Base(file), err)
			continue
		}
		s.line("%s %s", path.Base(file), content)
	}
	o.hostAddrs(s)
	for _, family := range []string{"-4", "-6"} {
		s.Lines = append(s.Lines, o.routes(family, name)...)
	}
	o.sysctls(s)
}

func (o *observer) hostAddrs(s *Section) {
	var links []struct {
		Info []struct {
			Local, Broadcast, Scope string
			PrefixLen               int
		} `json:"addr_info"`
	}
	out := o.Host.Must(o.t, "ip", "-j", "addr", "show", "dev", o.Network.Bridge.Name)
	if err := json.Unmarshal([]byte(out), &links); err != nil {
		o.t.Fatalf("read addresses: %v\n%s", err, out)
	}
	for _, link := range links {
		for _, a := range link.Info {
			line := fmt.Sprintf("address %s/%d scope %s", a.Local, a.PrefixLen, a.Scope)
			if a.Broadcast != "" {
				line += " broadcast " + a.Broadcast
			}
			s.line("%s", line)
		}
	}
}

// who is what of a route says who made it.
var who = regexp.MustCompile(`\b(proto \S+|linkdown|dev \S+|pref medium) ?`)

func (o *observer) routes(family, link string) []string {
	var lines []string
	for line := range strings.Lines(o.Host.Must(o.t, "ip", family, "route", "show", "dev", link, "table", "main")) {
		lines = append(lines, "route "+strings.TrimSpace(who.ReplaceAllString(strings.TrimSpace(line), "")))
	}
	slices.Sort(lines)
	return lines
}

// sysctls are the bridge's own that differ from a new link's, and forwarding.
func (o *observer) sysctls(s *Section) {
	out := o.Host.Script(o.t, `
		for family in ipv4 ipv6; do
			new=/proc/sys/net/$family/conf/default
			for f in $new/*; do
				key=${f##*/}
				case $key in mtu|stable_secret) continue ;; esac
				own="/proc/sys/net/$family/conf/$0/$key"
				have=$(cat "$own") want=$(cat "$f")
				[ "$have" = "$want" ] || echo "sysctl net.$family.conf.BRIDGE.$key $have"
			done
		done
		echo "sysctl net.ipv4.ip_forward $(cat /proc/sys/net/ipv4/ip_forward)"
		echo "sysctl net.ipv6.conf.all.forwarding $(cat /proc/sys/net/ipv6/conf/all/forwarding)"
		`, o.Network.Bridge.Name)
	s.line("%s", out)
}

// zone is a link's name behind an address that ss prints.
var zone = regexp.MustCompile(`%[^:\]]+`)

// known tells whether a port is one of those that services are known by:
// others are of clients, and of files on their way by TFTP.
func known(addr string) bool {
	port, err := strconv.Atoi(addr[strings.LastIndexByte(addr, ':')+1:])
	return err == nil && port < 1024
}

// listeners are the sockets that guests could reach.
func (o *observer) listeners() {
	s := o.report.add("listeners")
	var lines []string
	for line := range strings.Lines(o.Host.Must(o.t, "ss", "-H", "-lntu")) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !known(fields[4]) {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %s", fields[0], zone.ReplaceAllString(fields[4], "")))
	}
	slices.Sort(lines)
	s.Lines = append(s.Lines, slices.Compact(lines)...)
}
