package cni

import (
	"encoding/json"
	"net/netip"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// result is what ADD says (specification, section 5).
type result struct {
	Version    string   `json:"cniVersion"`
	Interfaces []iface  `json:"interfaces"`
	IPs        []ipText `json:"ips"`
	Routes     []route  `json:"routes"`
	DNS        dnsText  `json:"dns"`
}

type iface struct {
	Name    string `json:"name"`
	MAC     string `json:"mac,omitempty"`
	MTU     uint32 `json:"mtu,omitempty"` // from 1.1.0 on
	Sandbox string `json:"sandbox,omitempty"`
}

type ipText struct {
	Version   string `json:"version,omitempty"` // before 1.0.0
	Interface *int   `json:"interface,omitempty"`
	Address   string `json:"address"`
	Gateway   string `json:"gateway,omitempty"`
}

type route struct {
	To  string `json:"dst"`
	Via string `json:"gw,omitempty"`
}

type dnsText struct {
	Servers []string `json:"nameservers,omitempty"`
	Domain  string   `json:"domain,omitempty"`
	Search  []string `json:"search,omitempty"`
}

// guestInterface is the container's place among the interfaces of a result.
const guestInterface = 2

// makeResult says what the daemon attached.
func makeResult(version, netns string, p wire.AttachedPort) result {
	r := result{
		Version: version,
		Interfaces: []iface{
			{Name: p.Bridge},
			{Name: p.Link},
			{Name: p.GuestLink, MAC: p.MAC, Sandbox: netns},
		},
		IPs:    []ipText{},
		Routes: []route{},
		DNS:    dnsText{Servers: p.Resolvers, Domain: p.Domain},
	}
	if version == "1.1.0" {
		r.Interfaces[guestInterface].MTU = p.MTU
	}
	if p.Domain != "" {
		r.DNS.Search = []string{p.Domain}
	}
	for _, text := range p.Addrs {
		addr, err := netip.ParsePrefix(text)
		if err != nil {
			continue // the daemon sends none
		}
		via := gatewayOf(addr.Addr(), p.Gateways)
		ip := ipText{Interface: new(guestInterface), Address: text, Gateway: via}
		everywhere := "0.0.0.0/0"
		if addr.Addr().Is6() {
			everywhere = "::/0"
		}
		if version < "1.0.0" {
			ip.Version = map[bool]string{true: "4", false: "6"}[addr.Addr().Is4()]
		}
		r.IPs = append(r.IPs, ip)
		if via != "" {
			r.Routes = append(r.Routes, route{To: everywhere, Via: via})
		}
	}
	return r
}

// gatewayOf is the first gateway of addr's family, "" if there is none.
func gatewayOf(addr netip.Addr, gateways []string) string {
	for _, text := range gateways {
		if g, err := netip.ParseAddr(text); err == nil && g.Is4() == addr.Is4() {
			return text
		}
	}
	return ""
}

// parseResult reads a result of ADD that comes back.
func parseResult(text json.RawMessage) (result, error) {
	var r result
	if len(text) == 0 {
		return r, failf(invalidConfig, "prevResult is missing")
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, because(undecodable, err, "read prevResult")
	}
	return r, nil
}
