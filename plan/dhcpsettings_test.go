package plan

import (
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// withDHCPSettings is a network of both families with the given attributes.
func withDHCPSettings(t *testing.T, attributes string) *xmlnet.Network {
	t.Helper()
	n, _, err := xmlnet.Parse([]byte(`<network><name>n</name><uuid>6f2a4a30-9c05-4d0a-8d38-0d6d8b9a9f01</uuid><bridge name='virbr7'/>
		<mac address='52:54:00:00:00:01'/><metadata><v:dhcp xmlns:v='` + xmlnet.DHCPNamespace + `' ` + attributes + `/></metadata>
		<ip address='192.168.7.1' netmask='255.255.255.0'><dhcp><range start='192.168.7.2' end='192.168.7.9'/></dhcp></ip>
		<ip family='ipv6' address='fd00:7::1' prefix='64'><dhcp><range start='fd00:7::2' end='fd00:7::9'/></dhcp></ip></network>`))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDHCPSettingsAreOfBothFamilies(t *testing.T) {
	p, err := Make(withDHCPSettings(t, "clones='no' portLimit='no'"), bridge.Host{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  clones are one client\n", "  one port may have all addresses\n"} {
		if strings.Count(p.String(), want) != 2 {
			t.Errorf("%q is not twice in:\n%s", want, p)
		}
	}
	if p, err = Make(withDHCPSettings(t, ""), bridge.Host{}); err != nil || strings.Contains(p.String(), "clones") {
		t.Errorf("without settings: %v\n%s", err, p)
	}
}

func TestDHCPSettingsThatMeanNothingAreRefused(t *testing.T) {
	err := CheckMetadata(withDHCPSettings(t, "clones='perhaps'"))
	if err == nil || !strings.Contains(err.Error(), "attribute clones is 'perhaps', not yes or no") {
		t.Errorf("got %v", err)
	}
}
