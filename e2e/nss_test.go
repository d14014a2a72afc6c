package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// nssNetwork has DHCP in both families.
const nssNetwork = `<network><name>lab</name><forward mode='nat'/><bridge name='virbr9' stp='off'/>
<ip address='10.9.0.1' prefix='24'><dhcp><range start='10.9.0.10' end='10.9.0.99'/></dhcp></ip>
<ip family='ipv6' address='fd00:9::1' prefix='64'><dhcp><range start='fd00:9::10' end='fd00:9::99'/></dhcp></ip></network>`

// newNSSSite is a host whose programs ask libvirt's NSS modules for names
// before anything else.
func newNSSSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.WriteFile(t, "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files libvirt libvirt_guest dns\n", 0o644)
	return s
}

// finds tells whether the host's programs find an address by a name in one of
// getent's databases.
func (s *site) finds(t *testing.T, database, name string, want netip.Addr) bool {
	t.Helper()
	for line := range strings.Lines(s.Run(t, "getent", database, name).Stdout) {
		if strings.Fields(line)[0] == want.String() {
			return true
		}
	}
	return false
}

// found waits until the host's programs find a name by a module of NSS alone,
// and together with the others.
func (s *site) found(t *testing.T, module, database, name string, want netip.Addr) {
	t.Helper()
	lab.Eventually(t, 10*time.Second, module+" knows "+name+" as "+want.String(), func() bool {
		r := s.Run(t, "getent", "-s", module, database, name)
		return strings.HasPrefix(r.Stdout, want.String()+" ")
	})
	if !s.finds(t, database, name, want) {
		t.Errorf("getent %s %s: %s", database, name, s.Run(t, "getent", database, name))
	}
}

// lost waits until no module knows the name.
func (s *site) lost(t *testing.T, name string) {
	t.Helper()
	lab.Eventually(t, 10*time.Second, "nobody knows "+name, func() bool { return s.Run(t, "getent", "ahosts", name).Code == 2 })
}

const portXML = `<networkport><uuid>%s</uuid><owner><name>%s</name><uuid>33333333-3333-4333-8333-333333333333</uuid></owner><mac address='%s'/></networkport>`

// Host names are what guests send, domain names those of ports, which
// virtqemud asks for as net-port-create does here.
func TestHostFindsGuestsByLibvirtsNSSModules(t *testing.T) {
	s := newNSSSite(t)
	s.Daemon(t)
	s.define(t, nssNetwork)
	s.ctl(t, "net-start", "lab")
	g := s.Guest(t, "virbr9", "web")
	addr, ok := g.Dhclient(t)
	if !ok {
		t.Fatal("no lease")
	}
	s.found(t, "libvirt", "hosts", "web", addr)
	s.found(t, "libvirt", "ahosts", "web", addr)

	g.WriteFile(t, "/etc/dhcp/dhclient6.conf", "send fqdn.fqdn \"web6\";\nsend fqdn.server-update on;\nalso request fqdn;\n", 0o644)
	lab.Eventually(t, 10*time.Second, "the guest has a link-local address", func() bool {
		return g.Must(t, "ip", "-6", "addr", "show", "dev", "eth0", "scope", "link", "-tentative") != ""
	})
	g.Must(t, "dhclient", "-v", "-6", "-1", "-cf", "/etc/dhcp/dhclient6.conf", "-lf", "/run/lease6", "-pf", "/run/dhclient6.pid", "eth0")
	addr6 := netip.MustParseAddr(addrOf(t, g))
	s.found(t, "libvirt", "ahostsv6", "web6", addr6)

	const id = "11111111-1111-4111-8111-111111111111"
	s.WriteFile(t, "/run/port.xml", fmt.Sprintf(portXML, id, "database", g.MAC), 0o644)
	s.ctl(t, "net-port-create", "lab", "/run/port.xml")
	s.found(t, "libvirt_guest", "hosts", "database", addr6)
	s.found(t, "libvirt_guest", "ahostsv4", "database", addr)
	s.found(t, "libvirt_guest", "ahostsv6", "database", addr6)

	g.Must(t, "dhclient", "-6", "-r", "-cf", "/etc/dhcp/dhclient6.conf", "-lf", "/run/lease6", "-pf", "/run/dhclient6.pid", "eth0")
	s.lost(t, "web6")
	g.Must(t, "dhclient", "-4", "-r", "-pf", "/run/dhclient.pid", "eth0")
	s.lost(t, "web")
	s.lost(t, "database")
	if addr, ok = g.Dhclient(t); !ok {
		t.Fatal("no lease")
	}
	s.found(t, "libvirt_guest", "hosts", "database", addr)
	s.ctl(t, "net-port-delete", "lab", id)
	s.lost(t, "database")
	s.found(t, "libvirt", "hosts", "web", addr)
}

// addrOf is the guest's global IPv6 address with a prefix of its own, which
// only DHCPv6 gives.
func addrOf(t *testing.T, g *lab.Guest) string {
	t.Helper()
	for line := range strings.Lines(g.Must(t, "ip", "-o", "-6", "addr", "show", "dev", "eth0", "scope", "global")) {
		if addr, ok := strings.CutSuffix(strings.Fields(line)[3], "/128"); ok {
			return addr
		}
	}
	t.Fatalf("%s has no address by DHCPv6", g.Name)
	return ""
}

// Domains of a libvirtd with a network driver of its own, which sees our
// networks as facades, are found as well.
func TestHostFindsDomainsOfLibvirtdByItsNSSModule(t *testing.T) {
	s := newNSSSite(t)
	s.Script(t, "rm -f /etc/libvirt/qemu/networks/*.xml")
	s.Libvirt(t)
	s.Daemon(t)
	s.ctl(t, "net-start", "default")
	s.facade(t, "default", "active")
	g := s.Guest(t, "virbr0", "shell")
	// The domain does not get beyond its firmware; the guest has its address.
	s.WriteFile(t, "/run/domain.xml", lab.DomainXML("database", "", "default", g.MAC.String()), 0o644)
	s.Script(t, "mkdir -p /run/domains; virsh -q -c qemu:///system create /run/domain.xml")
	addr, ok := g.Udhcpc(t)
	if !ok {
		t.Fatal("no lease")
	}
	s.found(t, "libvirt", "hosts", "shell", addr)
	s.found(t, "libvirt_guest", "hosts", "database", addr)
	s.Virsh(t, "destroy", "database")
	s.lost(t, "database")
}

// What NSS modules read has a lease within 100 ms of its acknowledgement.
func TestLeaseIsInTheStatusFileSoonAfterItsACK(t *testing.T) {
	s := newNSSSite(t)
	s.Daemon(t)
	s.define(t, nssNetwork)
	s.ctl(t, "net-start", "lab")
	g := s.Guest(t, "virbr9", "many")
	g.LinkUp(t)
	c := g.Clients(t, "eth0")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var took []time.Duration
	for n := range uint32(11) {
		mac := lab.MAC(0x10000 + n)
		if _, err := c.Get(ctx, mac); err != nil {
			t.Fatal(err)
		}
		acked := time.Now()
		lab.Eventually(t, 10*time.Second, "the status file has the lease", func() bool {
			text, err := s.ReadFile("/var/lib/libvirt/dnsmasq/virbr9.status")
			return err == nil && strings.Contains(string(text), mac.String())
		})
		took = append(took, time.Since(acked))
	}
	// Half of them: a computer that is busy with other tests is late at times.
	slices.Sort(took)
	t.Logf("after %v", took)
	if took[len(took)/2] > 100*time.Millisecond {
		t.Errorf("leases are in the status file after %v", took)
	}
}
