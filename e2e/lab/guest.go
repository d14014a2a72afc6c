package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Guest is a machine whose link eth0 is plugged into a bridge of a host.
type Guest struct {
	*Machine
	Host *Host
	// Port is the bridge port on the host.
	Port string
	MAC  net.HardwareAddr
}

// Guest starts a guest with a link on the bridge. The link stays down, as that
// of a computer that is switched off, until LinkUp or a DHCP client raises it.
func (h *Host) Guest(t TB, bridge, name string) *Guest {
	t.Helper()
	n := h.links.Add(1)
	g := &Guest{Machine: NewMachine(t, name), Host: h, Port: fmt.Sprintf("vnet%d", 100+n), MAC: MAC(n)}
	h.cable(t, g.Port, g.Machine, "eth0", g.MAC)
	h.Must(t, "ip", "link", "set", g.Port, "master", bridge, "up")
	return g
}

// LinkUp raises the guest's link.
func (g *Guest) LinkUp(t TB) {
	t.Helper()
	g.Must(t, "ip", "link", "set", "eth0", "up")
}

// Addrs are the guest's IPv4 addresses.
func (g *Guest) Addrs(t TB) []netip.Prefix {
	t.Helper()
	var links []struct {
		Info []struct {
			Local     netip.Addr `json:"local"`
			PrefixLen int        `json:"prefixlen"`
		} `json:"addr_info"`
	}
	out := g.Must(t, "ip", "-4", "-j", "addr", "show", "dev", "eth0")
	if err := json.Unmarshal([]byte(out), &links); err != nil {
		t.Fatalf("read addresses of %s: %v\n%s", g.Name, err, out)
	}
	var addrs []netip.Prefix
	for _, link := range links {
		for _, a := range link.Info {
			addrs = append(addrs, netip.PrefixFrom(a.Local, a.PrefixLen))
		}
	}
	return addrs
}

// Addr is the guest's one IPv4 address; it fails the test to have another
// number of them.
func (g *Guest) Addr(t TB) netip.Addr {
	t.Helper()
	addrs := g.Addrs(t)
	if len(addrs) != 1 {
		t.Fatalf("%s has addresses %v, want one", g.Name, addrs)
	}
	return addrs[0].Addr()
}

// Resolve looks a name up as the guest's programs do and returns the first
// IPv4 address, or false.
func (g *Guest) Resolve(t TB, name string) (netip.Addr, bool) {
	t.Helper()
	fields := strings.Fields(g.Run(t, "getent", "ahostsv4", name).Stdout)
	if len(fields) == 0 {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(fields[0])
	return addr, err == nil
}

// Fetch gets http://NAME/ from an address that the guest resolved.
func (g *Guest) Fetch(t TB, name string) string {
	t.Helper()
	addr, ok := g.Resolve(t, name)
	if !ok {
		t.Fatalf("%s can't resolve %s", g.Name, name)
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (c net.Conn, err error) {
			err = g.Net(func() error {
				c, err = net.DialTimeout("tcp4", netip.AddrPortFrom(addr, 80).String(), 10*time.Second)
				return err
			})
			return c, err
		},
	}}
	reply, err := client.Get("http://" + name + "/")
	if err != nil {
		t.Fatalf("%s: %v", g.Name, err)
	}
	defer reply.Body.Close()
	page, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatalf("%s: read http://%s/: %v", g.Name, name, err)
	}
	return string(page)
}

// Ping sends one echo request and tells whether it was answered within two
// seconds.
func (g *Guest) Ping(t TB, to string) bool {
	t.Helper()
	return g.Run(t, "ping", "-c", "1", "-W", "2", to).Code == 0
}
