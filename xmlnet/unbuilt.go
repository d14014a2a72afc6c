package xmlnet

import "fmt"

// unbuilt lists what libvirt knows, and Parse and Format do, but vnetmgr
// doesn't build yet. To build a thing is to delete its row. find returns the
// place of the thing in n, "" if n doesn't have it.
var unbuilt = []struct {
	what string
	find func(n *Network) string
}{
	{"<dhcp> of family IPv6", func(n *Network) string {
		return firstIP(n, "/dhcp", func(ip *IP) bool { return !is4(ip.Prefix.Addr()) && ip.HasDHCP() })
	}},
}

// Unbuilt refuses, with an *Error of kind ConfigUnsupported, a network with
// something that vnetmgr doesn't build yet.
func (n *Network) Unbuilt() error {
	for _, u := range unbuilt {
		if place := u.find(n); place != "" {
			return errf(ConfigUnsupported, "%s is not supported yet (%s of network '%s')", u.what, place, n.Name)
		}
	}
	return nil
}

// firstIP returns the place, below in it, of the first <ip> that has.
func firstIP(n *Network, in string, has func(*IP) bool) string {
	for i := range n.IPs {
		if has(&n.IPs[i]) {
			return fmt.Sprintf("ip[%d]%s", i+1, in)
		}
	}
	return ""
}
