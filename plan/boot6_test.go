package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Over DHCPv6 a boot file is a URL: of the network's TFTP server if it is a
// path, and UEFI's HTTP boot hears its class again.
func TestBootFilesAreURLsOverDHCPv6(t *testing.T) {
	n, _, err := xmlnet.Parse([]byte(`<network><name>n</name><uuid>6f2a4a30-9c05-4d0a-8d38-0d6d8b9a9f01</uuid><bridge name='virbr7'/>
		<mac address='52:54:00:00:00:01'/>
		<metadata><boot xmlns='` + xmlnet.BootNamespace + `'><file arch='x64-http' name='http://[fd00::9]/a.efi'/>
			<file class='iPXE' name='menu.ipxe'/><file name='b.efi' server='192.0.2.1'/></boot></metadata>
		<ip family='ipv6' address='fd00::1' prefix='64'><dhcp><range start='fd00::2' end='fd00::9'/></dhcp></ip></network>`))
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckBoot(n); err != nil {
		t.Error(err)
	}
	p, err := Make(n, bridge.Host{})
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(p.String(), "offers resolver\n")
	got, _, _ = strings.Cut(got, "router advertisements")
	want := `  tag boot-file-2-class if option 15 has 69505845
  tag boot-file-1-arch if option 61 has 0010
  option 59 746674703a2f2f5b666430303a3a315d2f6d656e752e69707865 if boot-file-2-class
  option 59 687474703a2f2f5b666430303a3a395d2f612e656669 if boot-file-1-arch
  option 16 00000157000a48545450436c69656e74 forced if boot-file-1-arch
`
	if diff := cmp.Diff(want, got[:min(len(got), len(want))]); diff != "" {
		t.Errorf("(-want +got):\n%s\nin:\n%s", diff, got)
	}
}

func TestOptionsOfTheDnsmasqNamespaceJoinDHCPv6(t *testing.T) {
	n, _, err := xmlnet.Parse([]byte(`<network><name>n</name><uuid>6f2a4a30-9c05-4d0a-8d38-0d6d8b9a9f01</uuid><bridge name='virbr7'/>
		<mac address='52:54:00:00:00:01'/><ip family='ipv6' address='fd00:7::1' prefix='64'><dhcp><range start='fd00:7::2' end='fd00:7::9'/></dhcp></ip>
		<o:options xmlns:o='http://libvirt.org/schemas/network/dnsmasq/1.0'><o:option value='dhcp-option=option6:ntp-server,[::],t.example'/>
		<o:option value='log-dhcp'/><o:option value='no-ping'/><o:option value='domain=x.test'/><o:option value='dhcp-host=52:54:00:00:00:07,[::7],seven'/></o:options></network>`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Make(n, bridge.Host{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"  reservation fd00:7::7 mac 52:54:00:00:00:07 name seven lease default\n",
		`  option 56  server :: server "\x01t\aexample\x00"` + "\n", "  offers domain x.test\n", "  offers without probing\n", "  logs requests\n",
	} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("the plan lacks %q:\n%s", want, p)
		}
	}
}
