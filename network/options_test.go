package network

import (
	"errors"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// optionsDoc is what many use the dnsmasq namespace for: the names of a
// cluster, and a boot file by architecture.
const optionsDoc = `<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
<name>cluster</name><bridge name='virbr6' stp='off'/><mac address='52:54:00:5d:16:06'/>
<ip address='192.168.126.1' prefix='24'><dhcp><range start='192.168.126.2' end='192.168.126.99'/></dhcp></ip>
<dnsmasq:options>
  <dnsmasq:option value='address=/apps.cluster.test/192.168.126.5'/>
  <dnsmasq:option value='host-record=api.cluster.test,192.168.126.6'/>
  <dnsmasq:option value='cname=console.test,api.cluster.test'/>
  <dnsmasq:option value='dhcp-vendorclass=set:efi,PXEClient:Arch:00007'/>
  <dnsmasq:option value='dhcp-boot=tag:efi,grubx64.efi,,192.168.126.7'/>
  <dnsmasq:option value='dhcp-option=option:ntp-server,192.168.126.8'/>
</dnsmasq:options></network>`

func TestOptionsReachGuests(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(optionsDoc)
	g := kerneltest.New(t)
	s.ns.Veth(t, "tap0", g, "eth0")
	s.ns.Run(t, "ip link set tap0 master virbr6")
	g.Run(t, "ip addr add 192.168.126.200/24 dev eth0")
	for name, want := range map[string]string{
		"x.apps.cluster.test": "192.168.126.5", "api.cluster.test": "192.168.126.6", "console.test": "api.cluster.test.\n192.168.126.6",
	} {
		if got := strings.TrimSpace(g.Run(t, "dig +short +time=2 @192.168.126.1 "+name)); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	offer := g.Run(t, "busybox udhcpc -i eth0 -n -q -f -V PXEClient:Arch:00007 -O ntpsrv -s /bin/true -t 5 -T 1 2>&1; :")
	if !strings.Contains(offer, "lease of 192.168.126.") {
		t.Errorf("no lease: %s", offer)
	}
	doc, err := s.XML(ref.UUID, false)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(doc, "<dnsmasq:option value='cname=console.test,api.cluster.test'/>") {
		t.Errorf("the options are not shown:\n%s", doc)
	}
}

func TestOptionThatIsNotSupportedIsRefusedAtDefine(t *testing.T) {
	s := newSite(t)
	doc := strings.Replace(optionsDoc, "cname=console.test,api.cluster.test", "conf-file=/etc/dnsmasq.conf", 1)
	for how, define := range map[string]func() error{
		"define": func() error { _, err := s.Define(t.Context(), []byte(doc), false); return err },
		"create": func() error { _, err := s.Create(t.Context(), []byte(doc), false); return err },
	} {
		var e *xmlnet.Error
		err := define()
		const want = "network 'cluster': dnsmasq:option[3] 'conf-file=/etc/dnsmasq.conf': conf-file is not supported: only the definition says what a network is"
		if !errors.As(err, &e) || e.Kind != xmlnet.ConfigUnsupported || e.Text != want {
			t.Errorf("%s: got %v\nwant %s", how, err, want)
		}
	}
}
