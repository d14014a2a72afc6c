package network

import (
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vnetmgr/vnetmgr/dns"
)

// claims are the names that are not a guest's to take by calling itself so:
// those of the definition, each with the addresses that it has there, and the
// host's own. (dnsmasq refuses names of its hosts files, too.)
type claims struct {
	domain string
	addrs  map[string][]netip.Addr // by name in lower case
	taken  map[netip.Addr]struct{} // addresses that it gives names to, and our own
}

func newClaims(cfg dns.Config, fixed []dns.Name) claims {
	c := claims{domain: strings.ToLower(strings.Trim(cfg.Domain, ".")), addrs: map[string][]netip.Addr{"localhost": nil}, taken: map[netip.Addr]struct{}{}}
	for _, a := range cfg.Addrs {
		c.taken[a] = struct{}{}
	}
	for _, n := range fixed {
		c.taken[n.Addr] = struct{}{}
		for _, name := range n.Names {
			key := c.bare(name)
			c.addrs[key] = append(c.addrs[key], n.Addr)
		}
	}
	for _, a := range cfg.CNAMEs {
		c.addrs[c.bare(a.Name)] = nil
	}
	if host, err := os.Hostname(); err == nil {
		host, _, _ = strings.Cut(host, ".")
		c.addrs[strings.ToLower(host)] = cfg.Addrs
	}
	return c
}

// bare is a name in lower case and without the network's domain.
func (c claims) bare(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if c.domain != "" {
		name = strings.TrimSuffix(name, "."+c.domain)
	}
	return name
}

// forbid tells whether the guest at addr may not have a name: it is another's.
func (c claims) forbid(name string, addr netip.Addr) bool {
	owners, claimed := c.addrs[c.bare(name)]
	return claimed && !slices.Contains(owners, addr)
}

// takes tells whether an address is not a guest's to take by making it its own.
func (c claims) takes(addr netip.Addr) bool {
	_, taken := c.taken[addr]
	return taken
}
