package domain

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

const ourXML = `<network>
  <name>lab</name>
  <uuid>11111111-2222-3333-4444-555555555555</uuid>
  <metadata><x:y xmlns:x='urn:x'>kept</x:y></metadata>
  <forward mode='nat'/>
  <bridge name='virbr7' stp='on' delay='0' macTableManager='libvirt'/>
  <mac address='52:54:00:00:00:07'/>
  <domain name='lab.test'/>
  <ip address='10.1.1.1' netmask='255.255.255.0'/>
  <portgroup name='slow' default='yes'>
    <bandwidth><inbound average='100'/></bandwidth>
  </portgroup>
</network>`

func TestFacadeShowsWhatLibvirtAllowsOfABridgeThatIsNotItsOwn(t *testing.T) {
	want := `<network>
  <name>lab</name>
  <uuid>11111111-2222-3333-4444-555555555555</uuid>
  <metadata>
    <x:y xmlns:x="urn:x">kept</x:y>
    <vnetmgr:facade xmlns:vnetmgr="https://vnetmgr.org/xmlns/facade/1"/>
  </metadata>
  <forward mode='bridge'/>
  <bridge name='virbr7' macTableManager='libvirt'/>
  <portgroup name='slow' default='yes'>
    <bandwidth>
      <inbound average='100'/>
    </bandwidth>
  </portgroup>
</network>
`
	full, err := facadeXML(ourXML, false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, full); diff != "" {
		t.Errorf("facade (-want +got):\n%s", diff)
	}
	bare, err := facadeXML(ourXML, true)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(bare, "bandwidth") || !strings.Contains(bare, "<portgroup name='slow' default='yes'>") {
		t.Errorf("bare facade:\n%s", bare)
	}
	for doc, want := range map[string]bool{full: true, bare: true, ourXML: false} {
		if got := isFacade(doc); got != want {
			t.Errorf("isFacade is %v for\n%s", got, doc)
		}
	}
}

func TestInterfacesAreReadFromTheLiveDefinition(t *testing.T) {
	got, err := parseInterfaces(`<domain type='kvm' id='3'><name>g</name><uuid>11111111-2222-3333-4444-555555555555</uuid><devices>
	  <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default' portid='11111111-2222-3333-4444-666666666666' bridge='virbr0'/><target dev='vnet3'/><port isolated='yes'/></interface>
	  <interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='br0'/><target dev='vnet4'/></interface>
	  <interface type='user'><mac address='52:54:00:00:00:03'/></interface></devices></domain>`)
	if err != nil {
		t.Fatal(err)
	}
	id := xmlnet.UUID{0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55}
	port := xmlnet.UUID{0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66}
	mac := func(n byte) net.HardwareAddr { return net.HardwareAddr{0x52, 0x54, 0, 0, 0, n} }
	want := []Interface{
		{Domain: "g", UUID: id, MAC: mac(1), Target: "vnet3", Network: "default", Bridge: "virbr0", Port: port, Isolated: true},
		{Domain: "g", UUID: id, MAC: mac(2), Target: "vnet4", Bridge: "br0"},
		{Domain: "g", UUID: id, MAC: mac(3)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "<domain", "<network/>", "<domain><uuid>x</uuid></domain>"} {
		if _, err := parseInterfaces(bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}
