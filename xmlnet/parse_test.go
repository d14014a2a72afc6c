package xmlnet

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustParse(t testing.TB, doc string) *Network {
	t.Helper()
	n, _, err := Parse([]byte(doc))
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, doc)
	}
	return n
}

// printed returns what Format prints of fragment s, put in a network.
func printed(t testing.TB, s string) string {
	t.Helper()
	n := mustParse(t, inBare(s))
	out := string(n.Format(FormatOptions{Inactive: true}))
	out = strings.TrimPrefix(out, "<network>\n  <name>n</name>\n")
	return strings.TrimSuffix(out, "</network>\n")
}

func TestLibvirtsReadingHabits(t *testing.T) {
	const bridge = "  <bridge stp='on' delay='0'/>\n"
	for _, c := range []struct{ name, xml, want string }{
		{"the first of a repeated element counts", `<bridge name='a'/><bridge name='b'/><mtu size='1400'/><mtu size='x'/>`,
			"  <bridge name='a' stp='on' delay='0'/>\n  <mtu size='1400'/>\n"},
		{"an empty attribute is absent", `<bridge name='' delay='' zone=''/><mtu size=''/><mac address=''/>`, bridge},
		{"stp is off by that text only", `<bridge stp='OFF'/>`, bridge},
		{"an mtu of 0 is none", `<mtu size='0'/>`, bridge},
		{"numbers may have blanks and a plus before them", `<mtu size=' +1400'/>`, bridge + "  <mtu size='1400'/>\n"},
		{"MAC addresses are completed and lowered", `<mac address='2:54:0:0:0:A '/>`, bridge + "  <mac address='02:54:00:00:00:0a'/>\n"},
		{"no forward mode is nat", `<forward/><ip address='10.0.0.1'/>`,
			"  <forward mode='nat'/>\n" + bridge + "  <ip address='10.0.0.1'>\n  </ip>\n"},
		{"mode none is no element", `<forward mode='none' dev='x'/>`, bridge},
		{"a domain without a name vanishes", `<domain localOnly='yes'/>`, bridge},
		{"an empty dns vanishes", `<dns/>`, bridge},
		{"an empty bandwidth vanishes", `<bandwidth><inbound average='0'/></bandwidth>`, bridge},
		{"an address may be short", `<ip address='10.1' netmask='0xffffff00'/>`,
			bridge + "  <ip address='10.0.0.1' netmask='255.255.255.0'>\n  </ip>\n"},
		{"prefix 0 is absent", `<ip address='10.0.0.1' prefix='0'/>`, bridge + "  <ip address='10.0.0.1'>\n  </ip>\n"},
		{"a bad netmask can be defined", `<ip address='10.0.0.1' netmask='255.0.255.0'/>`,
			bridge + "  <ip address='10.0.0.1' netmask='255.0.255.0'>\n  </ip>\n"},
		{"tftp without a root is dropped", `<ip address='10.0.0.1'><tftp/></ip>`, bridge + "  <ip address='10.0.0.1'>\n  </ip>\n"},
		{"a lease without expiry is dropped", `<ip address='10.0.0.1'><dhcp><range start='10.0.0.2' end='10.0.0.3'><lease unit='hours'/></range></dhcp></ip>`,
			bridge + "  <ip address='10.0.0.1'>\n    <dhcp>\n      <range start='10.0.0.2' end='10.0.0.3'/>\n    </dhcp>\n  </ip>\n"},
		{"bootp of an IPv6 ip isn't read", `<ip family='ipv6' address='fd00::1'><dhcp><bootp/><range start='fd00::2' end='fd00::3'/></dhcp></ip>`,
			bridge + "  <ip family='ipv6' address='fd00::1'>\n    <dhcp>\n      <range start='fd00::2' end='fd00::3'/>\n    </dhcp>\n  </ip>\n"},
		{"NAT ports 0 to 0 are none", `<forward><nat><port start='0' end='0'/></nat></forward><ip address='10.0.0.1'/>`,
			"  <forward mode='nat'/>\n" + bridge + "  <ip address='10.0.0.1'>\n  </ip>\n"},
		{"NAT ports from 0 are kept", `<forward><nat><port start='0' end='5'/></nat></forward><ip address='10.0.0.1'/>`,
			"  <forward mode='nat'>\n    <nat>\n      <port start='0' end='5'/>\n    </nat>\n  </forward>\n" + bridge + "  <ip address='10.0.0.1'>\n  </ip>\n"},
		{"interfaces beat a pf and addresses", `<forward mode='passthrough'><pf dev='a'/><interface dev='b'/><address type='pci'/></forward>`,
			"  <forward dev='b' mode='passthrough'>\n    <interface dev='b'/>\n  </forward>\n"},
		{"delay 0 is tolerated without an own bridge", `<forward mode='bridge'/><bridge delay='0'/>`, "  <forward mode='bridge'/>\n"},
		{"two tags make a trunk", `<forward mode='bridge'/><vlan><tag id='1'/><tag id='2'/></vlan>`,
			"  <forward mode='bridge'/>\n  <vlan trunk='yes'>\n    <tag id='1'/>\n    <tag id='2'/>\n  </vlan>\n"},
		{"trunk no of one tag is dropped", `<forward mode='bridge'/><vlan trunk='no'><tag id='1'/></vlan>`,
			"  <forward mode='bridge'/>\n  <vlan>\n    <tag id='1'/>\n  </vlan>\n"},
		{"a comment in a hostname is nothing", `<dns><host ip='10.0.0.1'><hostname>a<!-- c -->b</hostname></host></dns>`,
			bridge + "  <dns>\n    <host ip='10.0.0.1'>\n      <hostname>ab</hostname>\n    </host>\n  </dns>\n"},
		{"a line break in an attribute is a blank", "<dns><txt name='a' value='x\ny'/></dns>",
			bridge + "  <dns>\n    <txt name='a' value='x y'/>\n  </dns>\n"},
		{"also beside a reference in another one", "<dns><txt name='a'\n value='x&#9;y'/><srv service='s' protocol='p' domain=\"a\nb\" target='it&#39;s'/></dns>",
			bridge + "  <dns>\n    <txt name='a' value='x&#9;y'/>\n    <srv service='s' protocol='p' domain='a b' target='it&apos;s'/>\n  </dns>\n"},
		{"elements of other namespaces are unknown", `<x:mtu xmlns:x='urn:x' size='9'/><ip address='10.0.0.1' xmlns:x='urn:x' x:prefix='9'/>`,
			bridge + "  <ip address='10.0.0.1'>\n  </ip>\n"},
		{"dnsmasq options may have any prefix and come in parts",
			`<d:options xmlns:d='http://libvirt.org/schemas/network/dnsmasq/1.0'><option value='x'/></d:options><options/>`, bridge},
		{"metadata without elements", `<metadata> </metadata>`, bridge},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, printed(t, c.xml)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatLibvirtIgnoresIsWarnedOf(t *testing.T) {
	_, warnings, err := Parse(readFile(t, "../fixtures/unknown-parts/network.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range warnings {
		got = append(got, w.String())
	}
	want := []string{
		"line 5: network: unknown element <frobnicate> ignored",
		"line 6: network/bridge: unknown attribute 'color' ignored",
		"line 7: network: repeated element <bridge> ignored",
		`line 9: network: text "stray" ignored`,
		"line 10: network/ip[1]/dhcp/range[1]: unknown attribute 'lazy' ignored",
		"line 11: network/ip[1]: repeated element <dhcp> ignored",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	_, warnings, err := Parse([]byte(inNetwork(strings.Repeat("<a/>", 1000))))
	if err != nil || len(warnings) != maxWarnings {
		t.Errorf("%d warnings, error %v; want %d and none", len(warnings), err, maxWarnings)
	}
}

func TestValidationRefusesWhatIsIgnoredElsewhere(t *testing.T) {
	for _, doc := range []string{
		inNetwork("<frob/>"), inNetwork("<domain nane='x'/>"), inNetwork("<mtu size='1400'/><mtu size='1400'/>"),
		inNetwork("text"), inNetwork("<metadata x='1'/>"),
		inDHCP("<range start='192.168.1.2' end='192.168.1.3'><lease><x/></lease></range>"),
	} {
		var e *Error
		if _, err := ParseStrict([]byte(doc)); !errors.As(err, &e) || e.Kind != XMLInvalidSchema {
			t.Errorf("ParseStrict gave %v for %s", err, doc)
		}
		if _, _, err := Parse([]byte(doc)); err != nil {
			t.Errorf("Parse gave %v for %s", err, doc)
		}
	}
	if _, err := ParseStrict([]byte(inNetwork("<metadata><plain>text</plain></metadata>"))); err != nil {
		t.Errorf("metadata that is dropped is refused: %v", err)
	}
	// What libvirt's parser takes and its schema does not.
	invalid := map[string]bool{"lease-times": true, "quotes": true}
	for _, dir := range fixtures(t, "!bad-") {
		_, err := ParseStrict(readFile(t, dir+"/defined.xml"))
		if (err != nil) != invalid[filepath.Base(dir)] {
			t.Errorf("%s/defined.xml: %v", dir, err)
		}
	}
}

func TestPrefixesOfAddresses(t *testing.T) {
	for text, want := range map[string]string{
		`address='10.1.2.3'`:                               "10.1.2.3/8",
		`address='172.16.0.1'`:                             "172.16.0.1/16",
		`address='192.168.0.1'`:                            "192.168.0.1/24",
		`address='10.1.2.3' prefix='30'`:                   "10.1.2.3/30",
		`address='10.1.2.3' netmask='255.255.0.0'`:         "10.1.2.3/16",
		`address='10.1.2.3' netmask='0.0.0.0'`:             "10.1.2.3/0",
		`address='10.1.2.3' netmask='255.0.255.0'`:         "10.1.2.3/32",
		`address='0x0a.010.1'`:                             "10.8.0.1/8",
		`address='fd00::1' family='ipv6'`:                  "fd00::1/64",
		`address='FD00:0::01' family='ipv6' prefix='48'`:   "fd00::1/48",
		`address='::ffff:1.2.3.4' family='ipv6'`:           "::ffff:1.2.3.4/64",
		`address='10.1.2.3' family='ipv4' prefix=' +0024'`: "10.1.2.3/24",
	} {
		n := mustParse(t, inBare("<ip "+text+"/>"))
		if got := fmt.Sprintf("%s/%d", n.IPs[0].Prefix.Addr(), n.IPs[0].Prefix.Bits()); got != want {
			t.Errorf("<ip %s>: %s, want %s", text, got, want)
		}
	}
}
