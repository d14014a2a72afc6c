package dnsmasq

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
)

func TestOptionsAreRead(t *testing.T) {
	got, err := Parse([]string{
		"", "# a comment", " address = /apps.ocp.test/192.168.2.1 # the balancer",
		"cname=*.apps.test,lb.test", "server=127.0.0.1#5353", "no-resolv", "port=53",
		"dhcp-vendorclass=set:efi-http,HTTPClient:Arch:00016",
		"dhcp-option-force=tag:efi-http,60,HTTPClient",
		`dhcp-boot=tag:efi-http,"http://192.168.122.1:8000/boot,a.efi"`,
		"dhcp-host=52:54:00:ab:cd:ef,192.168.122.61,harvester1,set:h,90m",
		"log-queries", "log-dhcp", "interface=virbr0", "listen-address=192.168.122.1",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &Options{
		DNS: dns.Config{
			Addresses:  []dns.DomainAddress{{Domain: "apps.ocp.test", Addr: netip.MustParseAddr("192.168.2.1")}},
			CNAMEs:     []dns.CNAME{{Name: "*.apps.test", Target: "lb.test"}},
			Forwarders: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5353")},
			LogQueries: true,
		},
		NoResolv: true, LogRequests: true,
		Rules: dhcpd.Rules{
			Matches: []dhcpd.Match{{Tag: "efi-http", Option: 60, Value: []byte("HTTPClient:Arch:00016"), Text: true}},
			Options: []dhcpd.OptionRule{{If: dhcpd.Condition{"efi-http"}, Code: 60, Value: []byte("HTTPClient"), Text: true, Force: true}},
			Boots:   []dhcpd.BootRule{{If: dhcpd.Condition{"efi-http"}, File: "http://192.168.122.1:8000/boot,a.efi"}},
		},
		Reservations: []dhcpd.Reservation{{
			MAC: []byte{0x52, 0x54, 0, 0xab, 0xcd, 0xef}, Addr: netip.MustParseAddr("192.168.122.61"), Name: "harvester1",
			Tags: []string{"h"}, Lease: dhcpd.LeaseTime{Duration: 90 * 60 * 1e9},
		}},
		Reservations6: []dhcpd.Reservation{{
			MAC: []byte{0x52, 0x54, 0, 0xab, 0xcd, 0xef}, Name: "harvester1",
			Tags: []string{"h"}, Lease: dhcpd.LeaseTime{Duration: 90 * 60 * 1e9},
		}},
		Links: []Placed[string]{{"virbr0", Place{14, "interface=virbr0"}}},
		Addrs: []Placed[netip.Addr]{{netip.MustParseAddr("192.168.122.1"), Place{15, "listen-address=192.168.122.1"}}},
	}
	equal := []cmp.Option{cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(want, got, equal...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsNotSupportedIsRefusedByNameAndPlace(t *testing.T) {
	for _, c := range []struct{ option, want string }{
		{"foo=bar", `unknown option "foo"`},
		{"conf-file=/etc/x", "conf-file is not supported: only the definition says what a network is"},
		{"log-facility=/var/log/x", "log-facility is not supported: log lines go to the daemon's log"},
		{"dhcp-lease-max=9", "dhcp-lease-max is not supported: the ranges say how many leases there are, and dnsmasq refuses it, too, after libvirt's own"},
		{"no-resolv=1", "no-resolv takes no value"},
		{"address", "address needs a value"},
		{`dhcp-boot="x`, `missing "`},
		{"a\nb", "control character"},
		{"address=/x/300.1.1.1", `bad address "300.1.1.1"`},
		{"address=/a b/1.1.1.1", `"a b" is not a domain name`},
		{"server=1.1.1.1@eth0", `server "1.1.1.1@eth0": a source address or link is not supported`},
		{"server=1.1.1.1#0", `bad port "0"`},
		{"server=//1.1.1.1", "servers for plain names only are not supported"},
		{"rev-server=10.0.0.0/9,1.1.1.1", "prefix length 9 is not a multiple of 8"},
		{"port=9053", "DNS is served on port 53, or with port=0 not at all"},
		{"domain=a,10.0.0.0/8", "a network has one domain, given by name"},
		{"dhcp-option=option6:23,fd00::1", `"fd00::1" is not an IPv6 address in brackets`},
		{"dhcp-option=option6:dns-server,[fe80::]", "the server's link-local address is not supported here, use [::]"},
		{"dhcp-option=option6:no-such,1", `unknown DHCPv6 option "no-such"`},
		{"dhcp-option=option6:ntp-server,a b", `"a b" is not a domain name`},
		{"dhcp-option=option6:32,soon", `bad time "soon"`},
		{"dhcp-host=52:54:00:00:00:01,[192.168.1.1]", `"[192.168.1.1]" is not an IPv6 address in brackets`},
		{"dhcp-option=option:no-such,1", `unknown DHCP option "no-such"`},
		{"dhcp-option=3,text", `bad IPv4 address "text"`},
		{"dhcp-option=53,1", "DHCP option 53 is the server's own"},
		{"dhcp-option=tag:x", "no DHCP option is named"},
		{"dhcp-option=257,1", `bad DHCP option "257"`},
		{"dhcp-boot=tag:x", "no file is named"},
		{"dhcp-boot=f,s,name", `bad IPv4 address "name"`},
		{"dhcp-match=set:x", "a tag and what it is for are needed"},
		{"dhcp-mac=set:x,zz", `bad hardware address "zz"`},
		{"dhcp-host=192.168.1.1", "neither a MAC, nor an id, nor a name says which host"},
		{"dhcp-range=fd00::1,fd00::9", ipv6},
		{"dhcp-range=192.168.1.1", "a start and an end are needed"},
		{"auth-zone=z", "auth-server is needed before"},
		{"auth-server=z,eth0", `zones are served to the network's guests only, not on "eth0"`},
		{"cname=a,a", `"a" is an alias of itself`},
		{"mx-host=a", "no target: give one, or mx-target before"},
		{"except-interface=eth0", `only the network's bridge is listened on, so there is nothing to say of "eth0"`},
	} {
		_, err := Parse([]string{"no-hosts", c.option})
		var e *Error
		if !errors.As(err, &e) || e.Index != 2 || e.Text != c.option || e.Why != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.option, err, c.want)
		}
	}
}

// All of dnsmasq's options are either supported or refused with a reason.
func TestEveryOptionOfDnsmasqIsKnown(t *testing.T) {
	help, err := exec.Command("dnsmasq", "--help").Output()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true" {
		t.Skip("dnsmasq is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(help)) {
		for _, word := range strings.Fields(line)[:min(2, len(strings.Fields(line)))] {
			name, isOption := strings.CutPrefix(word, "--")
			name, _, _ = strings.Cut(strings.TrimSuffix(name, ","), "=")
			name, _, _ = strings.Cut(name, "[")
			if _, known := options[name]; isOption && !known && refused[name] == "" {
				t.Errorf("%s is neither supported nor refused", name)
			}
		}
	}
	for name := range refused {
		if _, too := options[name]; too {
			t.Errorf("%s is supported and refused", name)
		}
	}
}

func FuzzOptions(f *testing.F) {
	for name := range options {
		f.Add(name + "=set:a,52:54:00:00:00:01,192.168.1.1,/x/y,1h")
		f.Add(name + "=/a/b/1.1.1.1#53")
		f.Add(name + `=tag:!x,option:router,"a,b",[::1]`)
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, line string) {
		o, err := Parse([]string{line})
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%q: %v", line, err)
		}
		if err != nil {
			return
		}
		for _, r := range o.Rules.Options {
			if len(r.Value) > 255 {
				t.Errorf("%q: a value of %d bytes", line, len(r.Value))
			}
		}
	})
}
