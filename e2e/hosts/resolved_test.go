package hosts

import (
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// hostHas waits until the host's programs resolve a name to an address, by
// nss-resolve and by the stub in resolv.conf, and back.
func (s *site) hostHas(t *testing.T, name, addr string) {
	t.Helper()
	lab.Eventually(t, 20*time.Second, "the host to resolve "+name, func() bool {
		return strings.HasPrefix(s.Run(t, "getent", "ahosts", name).Stdout, addr+" ")
	})
	for _, args := range [][]string{
		{"resolvectl", "query", "--cache=no", name},
		{"dig", "+short", name},
		{"dig", "+short", "+tcp", "@127.0.0.53", name},
	} {
		if r := s.Run(t, args...); r.Code != 0 || !strings.Contains(r.Stdout, addr) {
			t.Errorf("%v: %s", args, r)
		}
	}
	for _, args := range [][]string{{"getent", "hosts", addr}, {"dig", "+short", "-x", addr}} {
		if r := s.Run(t, args...); r.Code != 0 || !strings.Contains(r.Stdout, name) {
			t.Errorf("%v: %s", args, r)
		}
	}
	// Others are asked elsewhere as before.
	if r := s.Run(t, "resolvectl", "query", "--cache=no", "www.example.net"); !strings.Contains(r.Stdout, lab.WWWAddr) {
		t.Errorf("www.example.net: %s", r)
	}
}

// hostLacks checks that a name is denied, at once.
func (s *site) hostLacks(t *testing.T, name string) {
	t.Helper()
	began := time.Now()
	r := s.Run(t, "dig", "+noall", "+comments", name)
	if !strings.Contains(r.Stdout, "status: NXDOMAIN") || time.Since(began) > 2*time.Second {
		t.Errorf("%s, after %v: %s", name, time.Since(began), r)
	}
}

func registered(domain, attrs string) string {
	return `<network><name>lab</name><forward mode='nat'/><bridge name='virbr9'/><domain name='` + domain + `' ` + attrs + `/>
	<ip address='10.9.0.1' prefix='24'><dhcp><range start='10.9.0.10' end='10.9.0.10'/></dhcp></ip>
	<ip family='ipv6' address='fd00:9::1' prefix='64'/></network>`
}

func TestHostResolvesGuestsOfARegisteredDomain(t *testing.T) {
	s := newSite(t)
	s.systemctl(t, "start", "vnetmgr")
	s.start(t, "lab", registered("lab.test", "localOnly='yes' register='yes'"))
	g := s.Guest(t, "virbr9", "web")
	s.works(t, g, "registered")
	s.hostHas(t, "web.lab.test", "10.9.0.10")
	s.hostLacks(t, "typo.lab.test")

	s.systemctl(t, "restart", "systemd-resolved")
	s.hostHas(t, "web.lab.test", "10.9.0.10")
	s.systemctl(t, "restart", "vnetmgr")
	s.hostHas(t, "web.lab.test", "10.9.0.10")

	s.systemctl(t, "stop", "vnetmgr")
	if r := s.Must(t, "resolvectl", "status", "virbr9"); strings.Contains(r, "10.9.0.1") || strings.Contains(r, "lab.test") {
		t.Errorf("the daemon has ended; the host goes on asking:\n%s", r)
	}
	s.systemctl(t, "start", "vnetmgr")
	s.hostHas(t, "web.lab.test", "10.9.0.10")
	s.Must(t, "vnetmgr", "net-destroy", "lab")
	s.systemctl(t, "stop", "systemd-resolved")
	want := "error: Failed to start network lab\nerror: Requested operation is not valid: failed to register name server: systemd-resolved is not available\n"
	if r := s.Run(t, "vnetmgr", "net-start", "lab"); r.Stderr != want || s.HasLink("virbr9") {
		t.Errorf("without systemd-resolved: %s", r)
	}
}

func TestHostResolvesGuestsOfEveryNetworkIfSet(t *testing.T) {
	s := newSite(t)
	// The strictest of what a host may ask of its upstreams.
	s.Script(t, `mkdir -p /etc/vnetmgr /etc/systemd/resolved.conf.d
		echo 'register_domains = true' >/etc/vnetmgr/vnetmgr.conf
		printf '[Resolve]\nDNSSEC=allow-downgrade\nDNSOverTLS=opportunistic\n' >/etc/systemd/resolved.conf.d/x.conf
		systemctl restart systemd-resolved`)
	s.systemctl(t, "start", "vnetmgr")
	s.start(t, "lab", registered("lab.test", ""))
	g := s.Guest(t, "virbr9", "web")
	s.works(t, g, "registered by the setting")
	s.hostHas(t, "web.lab.test", "10.9.0.10")
	s.hostLacks(t, "typo.lab.test")
	if r := g.Run(t, "dig", "+noall", "+comments", "@10.9.0.1", "typo2.lab.test"); !strings.Contains(r.Stdout, "status: NXDOMAIN") {
		t.Errorf("a guest that mistypes: %s", r)
	}

	// One that begins later is told.
	s.systemctl(t, "stop", "systemd-resolved")
	s.Script(t, "rm -rf /run/systemd/resolve/netif")
	s.systemctl(t, "start", "systemd-resolved")
	s.Must(t, "resolvectl", "dns", lab.UplinkName, lab.DNSAddr)
	s.hostHas(t, "web.lab.test", "10.9.0.10")

	// Turned off, it is as if it never was.
	s.Script(t, "rm /etc/vnetmgr/vnetmgr.conf; systemctl restart vnetmgr")
	if r := s.Must(t, "resolvectl", "status", "virbr9"); strings.Contains(r, "10.9.0.1") || strings.Contains(r, "lab.test") {
		t.Errorf("turned off; the host goes on asking:\n%s", r)
	}
	// The network itself did not change: what it does not know it asks for.
	lab.Eventually(t, 20*time.Second, "the network to serve", func() bool {
		return g.Run(t, "dig", "+noall", "+comments", "@10.9.0.1", "typo.lab.test").Code == 0
	})
	if n := s.internet.Asked("typo.lab.test"); n == 0 {
		t.Error("a domain that is not localOnly is not asked for upstream")
	}
}
