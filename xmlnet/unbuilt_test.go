package xmlnet

import (
	"errors"
	"testing"
)

func TestWhatIsNotBuiltIsRefusedByName(t *testing.T) {
	for _, c := range []struct{ xml, want string }{
		{`<bridge zone='work'/>`, "attribute zone is not supported yet (bridge/@zone of network 'n')"},
		{`<domain name='a' localOnly='yes' register='yes'/>`, "attribute register='yes' is not supported yet (domain/@register of network 'n')"},
		{`<ip address='10.0.0.1'/><ip family='ipv6' address='fd00::1'/>`, "<ip> of family IPv6 is not supported yet (ip[2] of network 'n')"},
		{`<ip address='10.0.0.1'><tftp root='/a'/></ip>`, "<tftp> is not supported yet (ip[1]/tftp of network 'n')"},
		{`<route address='10.0.0.0' prefix='8' gateway='10.0.0.1'/><route family='ipv6' address='::' gateway='fd00::1'/>`,
			"<route> of family IPv6 is not supported yet (route[2] of network 'n')"},
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
		"dns-rich", "dns-off", "lease-times", "no-dhcp", "bootp-alone", "quotes", "metadata", "unknown-parts",
		"host-bridge", "hostdev-pf", "hostdev-pool", "openvswitch", "vepa-qbg"} {
		if err := mustParse(t, string(readFile(t, "../fixtures/"+name+"/network.xml"))).Unbuilt(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
