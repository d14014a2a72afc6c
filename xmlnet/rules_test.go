package xmlnet

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// modeBodies are networks of each mode with what the mode needs, a %s for more.
var modeBodies = map[string]string{
	"isolated":    "%s",
	"nat":         "<forward mode='nat'>%[2]s</forward>%[1]s<ip address='192.168.1.1' prefix='24'/>",
	"route":       "<forward mode='route'>%[2]s</forward>%[1]s<ip address='192.168.1.1' prefix='24'/>",
	"open":        "<forward mode='open'>%[2]s</forward>%[1]s",
	"bridge":      "<forward mode='bridge'>%[2]s</forward>%[1]s",
	"private":     "<forward mode='private'>%[2]s</forward>%[1]s",
	"vepa":        "<forward mode='vepa'>%[2]s</forward>%[1]s",
	"passthrough": "<forward mode='passthrough'>%[2]s</forward>%[1]s",
	"hostdev":     "<forward mode='hostdev'>%[2]s</forward>%[1]s",
}

// permitted is what each mode permits: "" if it does, else the code, for
// isolated, nat, route, open, bridge, the three macvtap modes, and hostdev.
// What stands in the forward element is not tried of isolated networks.
var permitted = []struct {
	name, body, forward string
	codes               [7]string
}{
	{"bridge name", "<bridge name='b0'/>", "", [7]string{"", "", "", "", "", "27", "27"}},
	{"stp", "<bridge stp='off'/>", "", [7]string{"", "", "", "", "27", "27", "27"}},
	{"delay", "<bridge delay='3'/>", "", [7]string{"", "", "", "", "27", "27", "27"}},
	{"delay 0", "<bridge delay='0'/>", "", [7]string{}},
	{"zone", "<bridge zone='z'/>", "", [7]string{"", "", "", "", "27", "27", "27"}},
	{"macTableManager", "<bridge macTableManager='libvirt'/>", "", [7]string{"", "", "", "", "", "27", "27"}},
	{"mac", "<mac address='52:54:00:00:00:01'/>", "", [7]string{"", "", "", "", "67", "67", "67"}},
	{"domain", "<domain name='d'/>", "", [7]string{"", "", "", "", "67", "67", "67"}},
	{"txt", "<dns><txt name='a' value='b'/></dns>", "", [7]string{"", "", "", "", "67", "67", "67"}},
	{"dns host", "<dns><host ip='1.2.3.4'><hostname>h</hostname></host></dns>", "", [7]string{"", "", "", "", "67", "67", "67"}},
	{"srv", "<dns><srv service='a' protocol='tcp'/></dns>", "", [7]string{"", "", "", "", "67", "67", "67"}},
	{"forwarder", "<dns><forwarder addr='1.2.3.4'/></dns>", "", [7]string{}},
	{"dns enable", "<dns enable='no'/>", "", [7]string{}},
	{"mtu", "<mtu size='1400'/>", "", [7]string{"", "", "", "", "27", "27", "27"}},
	{"bandwidth", "<bandwidth><inbound average='1'/></bandwidth>", "", [7]string{"", "", "", "", "67", "67", "67"}},
	{"bandwidth with a bridge name", "<bridge name='b0'/><bandwidth><inbound average='1'/></bandwidth>", "", [7]string{"", "", "", "", "", "27", "27"}},
	{"portgroup bandwidth", "<portgroup name='p'><bandwidth><inbound average='1'/></bandwidth></portgroup>", "", [7]string{"", "", "", "", "67", "67", "67"}},
	{"ip", "<ip address='10.0.0.1' prefix='24'/>", "", [7]string{"", "", "", "", "67", "67", "67"}},
	{"interface", "", "<interface dev='e0'/>", [7]string{"-", "", "", "27", "", "", "67"}},
	{"two interfaces", "", "<interface dev='e0'/><interface dev='e1'/>", [7]string{"-", "27", "27", "27", "", "", "67"}},
	{"interface and bridge name", "<bridge name='b0'/>", "<interface dev='e0'/>", [7]string{"-", "", "", "27", "27", "27", "27"}},
	{"nat", "", "<nat/>", [7]string{"-", "", "27", "27", "27", "27", "27"}},
	{"pf", "", "<pf dev='e0'/>", [7]string{"-", "", "", "", "", "", ""}},
	{"pf and bridge name", "<bridge name='b0'/>", "<pf dev='e0'/>", [7]string{"-", "", "", "", "27", "27", "27"}},
	// An open network refuses any device before its kind is looked at.
	{"pci address", "", "<address type='pci' domain='0' bus='3' slot='0' function='1'/>", [7]string{"-", "67", "67", "27", "67", "67", ""}},
	{"vlan", "<vlan><tag id='1'/></vlan>", "", [7]string{"67", "67", "67", "67", "", "67", ""}},
}

// TestEachModePermitsWhatLibvirtDoes is the table of modes and features.
func TestEachModePermitsWhatLibvirtDoes(t *testing.T) {
	columns := [7][]string{{"isolated"}, {"nat"}, {"route"}, {"open"}, {"bridge"}, {"private", "vepa", "passthrough"}, {"hostdev"}}
	for _, p := range permitted {
		for i, modes := range columns {
			for _, mode := range modes {
				want := p.codes[i]
				if p.name == "vlan" && mode == "passthrough" {
					want = "" // the one macvtap mode that has it
				}
				if want == "-" {
					continue
				}
				body := p.body
				if mode != "isolated" {
					body = fmt.Sprintf(modeBodies[mode]+"%.0[1]s%.0[2]s", p.body, p.forward)
				}
				if got := codeOf("<network><name>n</name>" + body + "</network>"); got != want {
					t.Errorf("%s in mode %s: code %q, want %q", p.name, mode, got, want)
				}
			}
		}
	}
}

// codeOf is the code with which a definition is refused, "" if it is not.
func codeOf(doc string) string {
	n, _, err := Parse([]byte(doc))
	if err == nil {
		err = n.Validate()
	}
	if err == nil {
		return ""
	}
	var e *Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	code, _, _ := strings.Cut(codes[e.Kind], " ")
	return code
}

// rules are the reference's other rules, by its sections: fragments of a
// network, and the code or "".
var rules = map[string]string{
	// Identity.
	"<uuid>5d8e3f6a0b1c4d2e9f30000000000015</uuid>":     "",
	"<uuid>5-d8e3f6a0b1c4d2e-9f30000000000-015</uuid>":  "",
	"<uuid>5d8e3f6a0b1c4d2e9f3000000000001</uuid>":      "1",
	"<title>a\nb</title>":                               "27",
	"<description>a\nb</description>":                   "",
	"<mac address='53:54:00:00:00:01'/>":                "27",
	"<mac address='x'/>":                                "27",
	"<mtu size='0'/>":                                   "",
	"<mtu size='70000'/>":                               "",
	"<mtu size='x'/>":                                   "27",
	"<domain localOnly='yes'/>":                         "",
	"<domain name='x' register='yes'/>":                 "67",
	"<domain name='x' register='yes' localOnly='yes'/>": "",
	"<domain name='x' localOnly=''/>":                   "27",
	// Bridge.
	"<bridge stp='sometimes'/>":     "",
	"<bridge delay='x'/>":           "27",
	"<bridge macTableManager='x'/>": "27",
	"<bridge name=''/>":             "",
	"<bridge name='a%d'/>":          "",
	// Forward.
	"<forward mode='none'/>":                               "",
	"<forward mode='x'/>":                                  "67",
	"<forward mode='route'/>":                              "27",
	"<forward mode='hostdev'><driver name='x'/></forward>": "27",
	"<forward mode='hostdev'><driver name='xen' model='any thing'/><pf dev='e'/></forward>": "",
	"<forward mode='hostdev' dev='e'><pf dev='e'/></forward>":                               "27",
	"<forward mode='hostdev'><pf/></forward>":                                               "27",
	"<forward mode='hostdev'><address type='usb'/></forward>":                               "67",
	"<forward mode='hostdev'><address/></forward>":                                          "27",
	"<forward mode='vepa'><interface/></forward>":                                           "27",
	"<forward mode='vepa' dev='a'><interface dev='b'/></forward>":                           "27",
	// IP.
	"<ip address='10.1'/>":                 "",
	"<ip/>":                                "27",
	"<ip address='10.0.0.1' prefix='33'/>": "67",
	"<ip address='10.0.0.1' prefix='0'/>":  "",
	"<ip address='10.0.0.1' prefix='8' netmask='255.0.0.0'/>":    "67",
	"<ip address='10.0.0.1' netmask='255.0.255.0'/>":             "",
	"<ip address='fd00::1'/>":                                    "67",
	"<ip family='ipv6' address='fd00::1'/>":                      "",
	"<ip family='ipv6' address='fd00::1' netmask='255.0.0.0'/>":  "67",
	"<ip family='ipv6' address='10.0.0.1'/>":                     "67",
	"<ip family='x' address='10.0.0.1'/>":                        "27",
	"<ip address='10.0.0.1' localPtr='maybe'/>":                  "27",
	"<ip address='10.0.0.1' prefix='25' localPtr='yes'/>":        "",
	"<ip address='10.0.0.1'/><ip address='10.0.0.1'/>":           "",
	"<ip address='10.0.0.1'><tftp/></ip>":                        "",
	"<ip family='ipv6' address='fd00::1'><tftp root='/x'/></ip>": "67",
	// DNS.
	"<dns enable='no' forwardPlainNames='yes'/>":                                          "",
	"<dns enable='no'><forwarder addr='1.2.3.4'/></dns>":                                  "27",
	"<dns><forwarder/></dns>":                                                             "27",
	"<dns><forwarder addr='x'/></dns>":                                                    "27",
	"<dns><txt name='a b' value='x'/></dns>":                                              "35",
	"<dns><txt name='a' value=''/></dns>":                                                 "",
	"<dns><txt name='a' value='1'/><txt name='a' value='2'/></dns>":                       "",
	"<dns><srv service='a b' protocol='tcp'/></dns>":                                      "35",
	"<dns><srv service='a_*/+-' protocol='tcp'/></dns>":                                   "",
	"<dns><srv service='a' protocol='t_p'/></dns>":                                        "35",
	"<dns><srv service='a' protocol='tcp' port='0' target='h'/></dns>":                    "35",
	"<dns><srv service='a' protocol='tcp' priority='0' weight='65535' target='h'/></dns>": "",
	"<dns><srv service='a' protocol='tcp' weight='1'/></dns>":                             "35",
	"<dns><host ip='1.2.3.4'/></dns>":                                                     "35",
	"<dns><host><hostname>h</hostname></host></dns>":                                      "35",
	// VLAN and virtual port, in a passthrough network.
	"P<vlan/>":                                          "27",
	"P<vlan><tag id='4096'/></vlan>":                    "27",
	"P<vlan><tag id='4095'/></vlan>":                    "",
	"P<vlan><tag id='1' nativeMode='untagged'/></vlan>": "",
	"P<vlan><tag id='1' nativeMode='x'/></vlan>":        "27",
	"P<vlan><tag id='1' nativeMode='tagged'/><tag id='2' nativeMode='tagged'/></vlan>": "27",
	"P<vlan trunk='no'><tag id='1'/></vlan>":                                           "",
	"P<vlan trunk='no'><tag id='1'/><tag id='2'/></vlan>":                              "27",
	"P<vlan trunk='no'><tag id='1' nativeMode='tagged'/></vlan>":                       "27",
	"P<vlan trunk='maybe'><tag id='1'/></vlan>":                                        "27",
	"<virtualport/>":          "27",
	"<virtualport type='x'/>": "67",
	"<virtualport type='802.1Qbg'><parameters managerid='256'/></virtualport>":                                      "27",
	"<virtualport type='802.1Qbg'><parameters typeid='0x1000000'/></virtualport>":                                   "27",
	"<virtualport type='802.1Qbh'><parameters profileid='0123456789012345678901234567890123456789'/></virtualport>": "27",
	"<virtualport type='802.1Qbh'><parameters managerid='1'/></virtualport>":                                        "27",
	"<virtualport type='openvswitch'><parameters profileid='p'/></virtualport>":                                     "",
	"<portgroup name='p'><virtualport/></portgroup>":                                                                "",
	"<portgroup/>": "27",
	"<portgroup name='p'/><portgroup name='p'/>":                             "67",
	"<portgroup name='p' default='YES'/><portgroup name='q' default='yes'/>": "67",
	// Bandwidth. The reference has 67 for a peak alone; libvirt itself says 35.
	"<bandwidth/>":                      "",
	"<bandwidth><inbound/></bandwidth>": "35",
	"<bandwidth classID='3'><inbound average='1'/></bandwidth>":                     "35",
	"<bandwidth><inbound average='1' floor='1'/></bandwidth>":                       "67",
	"<bandwidth><inbound peak='1'/></bandwidth>":                                    "35",
	"<bandwidth><inbound average='-1'/></bandwidth>":                                "27",
	"<bandwidth><inbound average='18014398509481985'/></bandwidth>":                 "82",
	"<bandwidth><inbound average='1' burst='4194304'/></bandwidth>":                 "82",
	"<bandwidth><inbound average='18014398509481984' burst='4194303'/></bandwidth>": "",
	// Routes, of a network 192.168.1.0/24.
	"R<route address='10.0.0.0' prefix='8' gateway='192.168.1.9'/>":                     "",
	"R<route address='0.0.0.0' gateway='192.168.1.9'/>":                                 "",
	"R<route address='10.0.0.0' gateway='192.168.1.9'/>":                                "27",
	"R<route address='10.0.0.1' prefix='8' gateway='192.168.1.9'/>":                     "27",
	"R<route address='10.0.0.0' prefix='8' gateway='192.168.2.9'/>":                     "67",
	"R<route address='10.0.0.0' prefix='8' gateway='192.168.1.9' metric='0'/>":          "27",
	"R<route address='10.0.0.0' prefix='8'/>":                                           "27",
	"R<route address='10.0.0.0' prefix='8' netmask='255.0.0.0' gateway='192.168.1.9'/>": "27",
	// DHCP, in the same network.
	"D<range start='192.168.1.1' end='192.168.1.9'/>":                                               "",
	"D<range start='192.168.1.2' end='192.168.1.9'/><range start='192.168.1.5' end='192.168.1.7'/>": "",
	"D<range start='192.168.1.0' end='192.168.1.9'/>":                                               "1",
	"D<range start='192.168.1.2' end='192.168.1.255'/>":                                             "1",
	"D<range start='192.168.1.9' end='192.168.1.2'/>":                                               "1",
	"D<range start='192.168.2.2' end='192.168.2.9'/>":                                               "1",
	"D<range start='x' end='192.168.1.9'/>":                                                         "38",
	"D<range start='192.168.1.2'/>":                                                                 "27",
	"D<host mac='52:54:00:00:00:01' ip='10.9.9.9'/>":                                                "",
	"D<host name='a!b' ip='192.168.1.9'/>":                                                          "",
	"D<host name='-a' ip='192.168.1.9'/>":                                                           "27",
	"D<host mac='53:54:00:00:00:01' ip='192.168.1.9'/>":                                             "27",
	"D<host mac='52:54:00:00:00:01' id='a:b' ip='192.168.1.9'/>":                                    "",
	"D<host mac='52:54:00:00:00:01'/>":                                                              "27",
	"D<host ip='192.168.1.9'/>":                                                                     "27",
	"D<bootp file='x' server='fd00::1'/>":                                                           "",
	"D<bootp server='1.2.3.4'/>":                                                                    "27",
	"D<bootp file='x' server='h'/>":                                                                 "38",
	"D<host name='h' ip='192.168.1.9'><lease expiry='119' unit='seconds'/></host>":                  "67",
	"D<host name='h' ip='192.168.1.9'><lease expiry='120' unit='seconds'/></host>":                  "",
	"D<host name='h' ip='192.168.1.9'><lease expiry='1'/></host>":                                   "67",
	"D<host name='h' ip='192.168.1.9'><lease unit='days'/></host>":                                  "",
	"D<host name='h' ip='192.168.1.9'><lease expiry='1' unit='hours'/></host>":                      "",
}

func TestRulesOfTheReference(t *testing.T) {
	for xml, want := range rules {
		body := xml
		switch xml[0] {
		case 'P':
			body = "<forward mode='passthrough'/>" + xml[1:]
		case 'R':
			body = "<ip address='192.168.1.1' prefix='24'/>" + xml[1:]
		case 'D':
			body = "<ip address='192.168.1.1' prefix='24'><dhcp>" + xml[1:] + "</dhcp></ip>"
		}
		if got := codeOf("<network><name>n</name>" + body + "</network>"); got != want {
			t.Errorf("%s: code %q, want %q", xml, got, want)
		}
	}
}
