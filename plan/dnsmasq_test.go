package plan

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// withOptions is a network with options of the dnsmasq namespace.
func withOptions(t *testing.T, options ...string) *xmlnet.Network {
	t.Helper()
	doc := `<network><name>n</name><uuid>6f2a4a30-9c05-4d0a-8d38-0d6d8b9a9f01</uuid><forward mode='nat'/><bridge name='virbr7'/>
		<mac address='52:54:00:00:00:01'/><ip address='192.168.7.1' netmask='255.255.255.0'><dhcp><range start='192.168.7.2' end='192.168.7.9'/></dhcp></ip>
		<o:options xmlns:o='http://libvirt.org/schemas/network/dnsmasq/1.0'>`
	for _, o := range options {
		doc += `<o:option value='` + o + `'/>`
	}
	n, _, err := xmlnet.Parse([]byte(doc + `</o:options></network>`))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOptionsJoinThePlan(t *testing.T) {
	p, err := Make(withOptions(t, "address=/apps.test/192.168.7.5", "cname=a.test,b.test", "server=/x.test/10.0.0.1#54", "server=10.0.0.2", "no-resolv",
		"dhcp-option=tag:t,42,1.2.3.4", "dhcp-match=set:t,175", "dhcp-boot=tag:t,a.efi,,192.168.7.3", "dhcp-range=192.168.7.20,192.168.7.30,2h", "interface=virbr7",
		"listen-address=192.168.7.1", "enable-tftp", "tftp-root=/srv/tftp", "domain=test", "host-record=h.test,192.168.7.4", "stop-dns-rebind"), bridge.Host{})
	if err != nil {
		t.Fatal(err)
	}
	_, servers, _ := strings.Cut(p.String(), "dhcp virbr7")
	want := ` 192.168.7.1/24
  range 192.168.7.2-192.168.7.9 lease default
  range 192.168.7.20-192.168.7.30 lease 2h0m0s
  offers router
  offers resolver
  offers domain test
  tag t if option 175
  option 42 01020304 if t
  boot "a.efi" "" from 192.168.7.3 if t
`
	if got, _, _ := strings.Cut(servers, "tftp virbr7"); got != want {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
	for _, line := range []string{"  address of apps.test 192.168.7.5", "  alias a.test of b.test", "  forward x.test to [10.0.0.1:54]",
		"  forward to 10.0.0.2:53", "  domain test", "NoRebind:true", "name 192.168.7.4 h.test", "/srv/tftp"} {
		if !strings.Contains(servers, line) {
			t.Errorf("the plan lacks %q:\n%s", line, servers)
		}
	}
	if strings.Contains(servers, "the host's upstreams") {
		t.Errorf("no-resolv has no effect:\n%s", servers)
	}
}

func TestServersOfOptionsComeBeforeTheHosts(t *testing.T) {
	p, err := Make(withOptions(t, "server=10.0.0.2"), bridge.Host{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.DNS.Forwarders) != 1 || !p.DNS.Resolv {
		t.Errorf("forwarders %v, host's %v, want both", p.DNS.Forwarders, p.DNS.Resolv)
	}
}

func TestPortZeroIsNoDNS(t *testing.T) {
	p, err := Make(withOptions(t, "port=0"), bridge.Host{})
	if err != nil {
		t.Fatal(err)
	}
	if p.DNS != nil || p.Names != nil || p.DHCP4.DNS {
		t.Errorf("DNS is there all the same:\n%s", p)
	}
}

func TestOptionsThatDoNotFitTheNetworkAreRefused(t *testing.T) {
	for _, c := range []struct{ option, want string }{
		{"foo", `network 'n': dnsmasq:option[2] 'foo': unknown option "foo"`},
		{"interface=eth0", "network 'n': dnsmasq:option[2] 'interface=eth0': only the network's bridge virbr7 is listened on"},
		{"listen-address=10.0.0.1", "network 'n': dnsmasq:option[2] 'listen-address=10.0.0.1': 10.0.0.1 is not an address of the network"},
		{"dhcp-range=10.0.0.1,10.0.0.2", "network 'n': dnsmasq:option[2] 'dhcp-range=10.0.0.1,10.0.0.2': the range is in no subnet of the network"},
		{"enable-tftp", "network 'n': dnsmasq:option enable-tftp: only with tftp-root, or a tftp element in the definition"},
	} {
		err := CheckOptions(withOptions(t, "no-hosts", c.option))
		var e *xmlnet.Error
		if !errors.As(err, &e) || e.Kind != xmlnet.ConfigUnsupported || e.Text != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.option, err, c.want)
		}
	}
}
