package nat

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// libvirtsRules are the nft commands that libvirt runs for its case, those
// that make its tables first, as a shell takes them, on the lab's links and
// subnets; "" where they are not beside the repository.
func libvirtsRules(t *testing.T, name string) string {
	t.Helper()
	var script strings.Builder
	for _, file := range []string{"base.nftables", name + "-linux.nftables"} {
		text, err := os.ReadFile(filepath.Join("../../shared/corpus/networkxml2firewalldata", file))
		if err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			return ""
		}
		for command := range strings.SplitSeq(strings.ReplaceAll(string(text), " \\\n", " "), "\n") {
			// What is left out looks whether a table is there, and fills in
			// checksums that our own server has.
			if strings.HasPrefix(command, "nft ") && !strings.HasPrefix(command, "nft list") {
				script.WriteString(strings.Replace(command, "nft -ae ", "nft ", 1) + "\n")
			}
		}
	}
	return regexp.MustCompile(`virbr0|enp0s7|2001:db8:ca2:2::/64`).ReplaceAllStringFunc(script.String(), func(s string) string {
		return map[string]string{"virbr0": "br-a", "enp0s7": "eth0", "2001:db8:ca2:2::/64": "2001:db8:a::/64"}[s]
	})
}

// The packets that pass with libvirt's own rules of its cases, and how they are
// translated, are those that do with ours.
func TestPacketsPassAsWithLibvirtsRules(t *testing.T) {
	probes := []struct{ from, to string }{
		{"a", "203.0.113.10"}, {"a", "198.51.100.10"}, {"a 192.168.122.10:600", "203.0.113.10"}, {"a 10.99.0.1:0", "203.0.113.10"},
		{"a", "192.168.122.1"}, {"a", "192.168.128.10"}, {"outside", "192.168.122.10"}, {"beyond", "192.168.122.10"}, {"b", "192.168.122.10"},
		{"outside", "198.51.100.10"}, {"router 192.168.122.1:0", "192.168.122.10"},
		{"a", "2001:db8:1::10"}, {"a", "2001:db8:2::10"}, {"a [2001:db8:a::10]:600", "2001:db8:1::10"}, {"outside", "2001:db8:a::10"},
		{"b", "2001:db8:a::10"}, {"outside", "2001:db8:2::10"},
	}
	one := network("a", NAT, "br-a", nated("192.168.122.0/24"))
	for name, ours := range map[string]Network{
		"nat-tftp":            one,
		"nat-no-dhcp":         labRouted6,
		"nat-ipv6-masquerade": labNAT6,
		"forward-dev":         one.with(func(n *Network) { n.Dev = "eth0" }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := libvirtsRules(t, name)
			if rules == "" {
				t.Log("libvirt's rules are not beside the repository")
				return
			}
			l := newLab(t)
			results := func() (all []string) {
				for _, p := range probes {
					for _, proto := range []string{"udp", "tcp"} {
						host, source, _ := strings.Cut(p.from, " ")
						got, port := l.probe(t, proto, host, source, netip.AddrPortFrom(netip.MustParseAddr(p.to), echoPort).String())
						if port >= 1024 {
							port = 1024 // any that is not privileged
						}
						all = append(all, fmt.Sprintf("%s from %s to %s: %s port %d", proto, p.from, p.to, got, port))
					}
				}
				return all
			}
			for _, p := range probes {
				if host, _, _ := strings.Cut(p.from, " "); strings.Contains(p.to, ":") {
					// Without rules all passes, once the links' addresses are known.
					kerneltest.Wait(t, 10*time.Second, p.to, func() bool {
						got, _ := l.probe(t, "udp", host, "", netip.AddrPortFrom(netip.MustParseAddr(p.to), echoPort).String())
						return got != "silence"
					})
				}
			}
			l.router.Run(t, rules)
			want := results()
			l.router.Run(t, "nft flush ruleset")
			t.Logf("%d packets compared", len(want))
			apply(t, l.conn, ours)
			for i, got := range results() {
				if got != want[i] {
					t.Errorf("with our rules   %s\nwith libvirt's   %s", got, want[i])
				}
			}
		})
	}
}
