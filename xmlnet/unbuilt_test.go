package xmlnet

import (
	"errors"
	"testing"
)

func TestWhatIsNotBuiltIsRefusedByName(t *testing.T) {
	for _, c := range []struct{ xml, want string }{
		{`<ip address='10.0.0.1'/><ip family='ipv6' address='fd00::1'><dhcp><range start='fd00::2' end='fd00::9'/></dhcp></ip>`,
			"<dhcp> of family IPv6 is not supported yet (ip[2]/dhcp of network 'n')"},
	} {
		var e *Error
		err := mustParse(t, inBare(c.xml)).Unbuilt()
		if !errors.As(err, &e) || e.Kind != ConfigUnsupported || e.Text != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.xml, err, c.want)
		}
	}
}

func TestWhatIsBuiltIsNotRefused(t *testing.T) {
	for _, name := range []string{"nat-default", "isolated", "no-ip", "routed", "open", "nat-port-range", "nat-addr-range",
		"dns-rich", "dns-off", "lease-times", "no-dhcp", "bootp-alone", "netboot", "nat-ipv6", "multi-ip", "quotes", "metadata", "unknown-parts",
		"host-bridge", "hostdev-pf", "hostdev-pool", "openvswitch", "vepa-qbg"} {
		if err := mustParse(t, string(readFile(t, "../fixtures/"+name+"/network.xml"))).Unbuilt(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
