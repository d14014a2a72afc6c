package xmlnet

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The networks that are updated, as they are printed.
const (
	natBase = `<network>
  <name>n</name>
  <uuid>81ff0d90-c91e-6742-64da-4a736edb9a9b</uuid>
  <forward dev='eth1' mode='nat'>
    <interface dev='eth1'/>
  </forward>
  <bridge name='virbr0' stp='on' delay='0'/>
  <mac address='52:54:00:17:3f:37'/>
  <dns>
    <txt name='example' value='example value'/>
  </dns>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='192.168.122.2' end='192.168.122.254'/>
      <host mac='00:16:3e:77:e2:ed' name='a.example.com' ip='192.168.122.10'/>
      <host mac='00:16:3e:3e:a9:1a' name='b.example.com' ip='192.168.122.11'/>
    </dhcp>
  </ip>
  <ip family='ipv4' address='192.168.123.1' netmask='255.255.255.0'>
  </ip>
</network>
`
	hostsBase = `<network>
  <name>n</name>
  <uuid>81ff0d90-c91e-6742-64da-4a736edb9a9b</uuid>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='on' delay='0'/>
  <dns forwardPlainNames='no'>
    <host ip='192.168.122.1'>
      <hostname>host</hostname>
      <hostname>gateway</hostname>
    </host>
    <host ip='2001:db8:ac10:fd01::1:24'>
      <hostname>pudding</hostname>
    </host>
  </dns>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
  </ip>
</network>
`
	srvBase = `<network>
  <name>n</name>
  <uuid>81ff0d90-c91e-6742-64da-4a736edb9a9b</uuid>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='on' delay='0'/>
  <dns>
    <srv service='sip' protocol='udp' domain='test.example' target='.' port='1024' priority='10' weight='10'/>
    <srv service='sip' protocol='tcp' target='pbx.example'/>
  </dns>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
  </ip>
</network>
`
	routeBase = `<network>
  <name>n</name>
  <uuid>81ff0d90-c91e-6742-64da-4a736edb9a9b</uuid>
  <forward mode='route'/>
  <bridge name='virbr0' stp='on' delay='0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp>
      <host mac='00:16:3e:77:e2:ed' name='a.example.com' ip='192.168.122.10'/>
    </dhcp>
  </ip>
  <ip family='ipv6' address='2001:db8:ac10:fd01::1' prefix='64'>
    <dhcp>
      <host id='0:4:7e:7d:f0:7d:a8:bc:c5:d2' name='paul' ip='2001:db8:ac10:fd01::1:21'/>
    </dhcp>
  </ip>
</network>
`
	groupBase = `<network>
  <name>n</name>
  <uuid>81ff0d90-c91e-6742-64da-4a736edb9a9b</uuid>
  <forward mode='bridge'/>
  <bridge name='ovsbr0'/>
  <virtualport type='openvswitch'/>
  <portgroup name='bob' default='yes'>
    <vlan trunk='yes'>
      <tag id='666'/>
    </vlan>
  </portgroup>
  <portgroup name='alice'>
    <vlan>
      <tag id='777'/>
    </vlan>
  </portgroup>
</network>
`
	poolBase = `<network>
  <name>n</name>
  <uuid>81ff0d90-c91e-6742-64da-4a736edb9a9b</uuid>
  <forward dev='eth1' mode='vepa'>
    <interface dev='eth1'/>
    <interface dev='eth2'/>
  </forward>
</network>
`
	bareBase = `<network>
  <name>n</name>
  <uuid>81ff0d90-c91e-6742-64da-4a736edb9a9b</uuid>
  <bridge name='virbr0' stp='on' delay='0'/>
</network>
`
)

// newHost is not like those of natBase.
const newHost = `<host mac='52:54:00:aa:bb:cc' name='c.example.com' ip='192.168.122.12'/>`

func TestUpdateChangesItsSectionOnly(t *testing.T) {
	const aHost = "      <host mac='00:16:3e:77:e2:ed' name='a.example.com' ip='192.168.122.10'/>\n"
	const bHost = "      <host mac='00:16:3e:3e:a9:1a' name='b.example.com' ip='192.168.122.11'/>\n"
	const range1 = "      <range start='192.168.122.2' end='192.168.122.254'/>\n"
	const dns = "  <dns>\n    <txt name='example' value='example value'/>\n  </dns>\n"
	tests := []struct {
		name, base string
		update     Update
		old, new   string // in what is printed
	}{
		{"dhcp host added last", natBase, Update{AddLast, SectionDHCPHost, -1, []byte(newHost), nil}, bHost, bHost + "      " + newHost + "\n"},
		{"dhcp host added first", natBase, Update{AddFirst, SectionDHCPHost, 0, []byte(newHost), nil}, aHost, "      " + newHost + "\n" + aHost},
		{"dhcp host without a name", natBase, Update{AddLast, SectionDHCPHost, -1, []byte(`<host mac="52:54:0:AA:bb:cc" ip="192.168.122.12"/>`), nil}, bHost, bHost + "      <host mac='52:54:0:AA:bb:cc' ip='192.168.122.12'/>\n"},
		{"dhcp host modified by mac and name", natBase, Update{Modify, SectionDHCPHost, 0, []byte(`<host mac='00:16:3E:3E:A9:1A' name='b.example.com' ip='192.168.122.47'/>`), nil},
			bHost, "      <host mac='00:16:3E:3E:A9:1A' name='b.example.com' ip='192.168.122.47'/>\n"},
		{"dhcp host modified by ip", natBase, Update{Modify, SectionDHCPHost, 0, []byte(`<host name='z' ip='192.168.122.10'/>`), nil}, aHost, "      <host name='z' ip='192.168.122.10'/>\n"},
		{"first match modified", natBase, Update{Modify, SectionDHCPHost, 0, []byte(`<host name='b.example.com' ip='192.168.122.10'/>`), nil}, aHost, "      <host name='b.example.com' ip='192.168.122.10'/>\n"},
		{"dhcp host deleted by mac", natBase, Update{Delete, SectionDHCPHost, 0, []byte(`<host mac='00:16:3e:3e:a9:1a'/>`), nil}, bHost, ""},
		{"dhcp host deleted by name", natBase, Update{Delete, SectionDHCPHost, 0, []byte(`<host name='a.example.com'/>`), nil}, aHost, ""},
		{"dhcp host deleted by ip", natBase, Update{Delete, SectionDHCPHost, -7, []byte(`<host ip='192.168.122.10'/>`), nil}, aHost, ""},
		{"dhcp host deleted with all", natBase, Update{Delete, SectionDHCPHost, 0, []byte(aHost), nil}, aHost, ""},
		{"dhcpv6 host added", routeBase, Update{AddLast, SectionDHCPHost, 1, []byte(`<host name='ralph' ip='2001:db8:ac10:fd01::1:20'/>`), nil},
			"::1:21'/>\n", "::1:21'/>\n      <host name='ralph' ip='2001:db8:ac10:fd01::1:20'/>\n"},
		{"dhcp begins on the first IPv4 ip", hostsBase, Update{AddLast, SectionDHCPHost, -1, []byte(newHost), nil},
			"  </ip>\n", "    <dhcp>\n      " + newHost + "\n    </dhcp>\n  </ip>\n"},
		{"the last dhcp host takes dhcp along", routeBase, Update{Delete, SectionDHCPHost, 0, []byte(`<host name='a.example.com'/>`), nil},
			"    <dhcp>\n" + aHost + "    </dhcp>\n", ""},
		{"range added first", routeBase, Update{AddFirst, SectionDHCPRange, 0, []byte(`<range start='192.168.122.10' end='192.168.122.100'/>`), nil},
			aHost, "      <range start='192.168.122.10' end='192.168.122.100'/>\n" + aHost},
		{"range added last", natBase, Update{AddLast, SectionDHCPRange, 0, []byte(`<range start='192.168.122.10' end='192.168.122.100'><lease expiry='2' unit='hours'/></range>`), nil},
			range1, range1 + "      <range start='192.168.122.10' end='192.168.122.100'>\n        <lease expiry='2' unit='hours'/>\n      </range>\n"},
		{"range deleted", natBase, Update{Delete, SectionDHCPRange, 0, []byte(range1), nil}, range1, ""},
		{"forward interface deleted", natBase, Update{Delete, SectionForwardInterface, -1, []byte(`<interface dev='eth1'/>`), nil},
			"<forward dev='eth1' mode='nat'>\n    <interface dev='eth1'/>\n  </forward>", "<forward mode='nat'/>"},
		{"forward interface added first", poolBase, Update{AddFirst, SectionForwardInterface, -1, []byte(`<interface dev='eth47'/>`), nil},
			"<forward dev='eth1' mode='vepa'>\n", "<forward dev='eth47' mode='vepa'>\n    <interface dev='eth47'/>\n"},
		{"portgroup added first", groupBase, Update{AddFirst, SectionPortGroup, -1, []byte(`<portgroup name='alison'/>`), nil},
			"  <portgroup name='bob'", "  <portgroup name='alison'>\n  </portgroup>\n  <portgroup name='bob'"},
		{"portgroup modified", groupBase, Update{Modify, SectionPortGroup, -1, []byte(`<portgroup name='alice'><vlan><tag id='778'/></vlan></portgroup>`), nil}, "id='777'", "id='778'"},
		{"the default portgroup modified", groupBase, Update{Modify, SectionPortGroup, -1, []byte(`<portgroup name='bob' default='yes'><vlan trunk='yes'><tag id='1'/></vlan></portgroup>`), nil}, "id='666'", "id='1'"},
		{"portgroup deleted by name", groupBase, Update{Delete, SectionPortGroup, -1, []byte(`<portgroup name='alice' default='yes'/>`), nil},
			"  <portgroup name='alice'>\n    <vlan>\n      <tag id='777'/>\n    </vlan>\n  </portgroup>\n", ""},
		{"dns host with a name of another", hostsBase, Update{AddLast, SectionDNSHost, -1, []byte(`<host ip='2001:db8:ac10:fd01::1:23'><hostname>pudding</hostname></host>`), nil},
			"  </dns>\n", "    <host ip='2001:db8:ac10:fd01::1:23'>\n      <hostname>pudding</hostname>\n    </host>\n  </dns>\n"},
		{"dns host modified by ip", hostsBase, Update{Modify, SectionDNSHost, -1, []byte(`<host ip='192.168.122.1'><hostname>a</hostname><hostname>b</hostname><hostname>c</hostname></host>`), nil},
			"      <hostname>host</hostname>\n      <hostname>gateway</hostname>\n", "      <hostname>a</hostname>\n      <hostname>b</hostname>\n      <hostname>c</hostname>\n"},
		{"dns host deleted by one name", hostsBase, Update{Delete, SectionDNSHost, -1, []byte(`<host><hostname>gateway</hostname></host>`), nil},
			"    <host ip='192.168.122.1'>\n      <hostname>host</hostname>\n      <hostname>gateway</hostname>\n    </host>\n", ""},
		{"dns host deleted by ip", hostsBase, Update{Delete, SectionDNSHost, -1, []byte(`<host ip='2001:db8:ac10:fd01:0::1:24'/>`), nil},
			"    <host ip='2001:db8:ac10:fd01::1:24'>\n      <hostname>pudding</hostname>\n    </host>\n", ""},
		{"txt added first", natBase, Update{AddFirst, SectionDNSTXT, -1, []byte(`<txt name='snowman' value='☃'/>`), nil}, "    <txt name='example'", "    <txt name='snowman' value='☃'/>\n    <txt name='example'"},
		{"txt deleted by name; an empty dns goes", natBase, Update{Delete, SectionDNSTXT, -1, []byte(`<txt name='example'/>`), nil}, dns, ""},
		{"txt modified by name", natBase, Update{Modify, SectionDNSTXT, -1, []byte(`<txt name='example' value='new'/>`), nil}, "value='example value'", "value='new'"},
		{"the first srv makes dns", bareBase, Update{AddFirst, SectionDNSSRV, -1, []byte(`<srv service='ldap' protocol='tcp' target='h' port='389'/>`), nil},
			"</network>", "  <dns>\n    <srv service='ldap' protocol='tcp' target='h' port='389'/>\n  </dns>\n</network>"},
		{"srv of another domain", srvBase, Update{AddLast, SectionDNSSRV, -1, []byte(`<srv service='sip' protocol='udp' domain='other.example' target='.' port='1024' priority='10' weight='10'/>`), nil},
			"  </dns>", "    <srv service='sip' protocol='udp' domain='other.example' target='.' port='1024' priority='10' weight='10'/>\n  </dns>"},
		{"srv deleted by protocol", srvBase, Update{Delete, SectionDNSSRV, -1, []byte(`<srv protocol='tcp'/>`), nil}, "    <srv service='sip' protocol='tcp' target='pbx.example'/>\n", ""},
		{"srv deleted in full", srvBase, Update{Delete, SectionDNSSRV, -1, []byte(`<srv service='sip' protocol='udp' domain='test.example' target='.' port='1024' priority='10' weight='10'/>`), nil},
			"    <srv service='sip' protocol='udp' domain='test.example' target='.' port='1024' priority='10' weight='10'/>\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := mustParse(t, tt.base)
			before := string(n.Format(FormatOptions{}))
			got, _, err := n.Update(tt.update)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(before, tt.old) < 1 {
				t.Fatalf("%q is not in\n%s", tt.old, before)
			}
			want := strings.Replace(before, tt.old, tt.new, 1)
			if diff := cmp.Diff(want, string(got.Format(FormatOptions{}))); diff != "" {
				t.Errorf("updated (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, string(n.Format(FormatOptions{}))); diff != "" {
				t.Errorf("the original changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestUpdateRefuses(t *testing.T) {
	const good = `<host mac='52:54:00:aa:bb:cc' ip='192.168.122.12'/>`
	tests := []struct {
		name, base string
		command    Command
		section    Section
		index      int
		xml        string
		kind       Kind
		text       string
	}{
		{"no XML", natBase, AddLast, SectionDHCPHost, -1, ``, XMLDetail, "Document is empty"},
		{"half an element", natBase, AddLast, SectionDHCPHost, -1, `<host mac='`, XMLDetail, "at line 1"},
		{"half an element of what cannot be updated", natBase, AddLast, SectionBridge, -1, `<bridge`, XMLDetail, "at line 1"},
		{"two elements", natBase, AddLast, SectionDHCPHost, -1, good + good, XMLDetail, "Extra content"},
		{"another element", natBase, AddLast, SectionDHCPHost, -1, `<range start='192.168.122.3' end='192.168.122.4'/>`, XMLError, "unexpected element <range>, expecting <host>, while updating network 'n'"},
		{"another element, with no such ip", natBase, AddLast, SectionDHCPRange, 9, `<host/>`, XMLError, "unexpected element <host>, expecting <range>"},
		{"section bridge", natBase, AddLast, SectionBridge, -1, `<bridge name='x'/>`, OperationUnsupported, "can't update 'bridge' section of network 'n'"},
		{"section domain", natBase, Modify, SectionDomain, -1, `<domain name='x'/>`, OperationUnsupported, "can't update 'domain' section"},
		{"section ip", natBase, Delete, SectionIP, -1, `<ip/>`, OperationUnsupported, "can't update 'ip' section"},
		{"section forward", natBase, Delete, SectionForward, -1, `<forward/>`, OperationUnsupported, "can't update 'forward' section"},
		{"section forward-pf", natBase, AddFirst, SectionForwardPF, -1, `<pf dev='x'/>`, OperationUnsupported, "can't update 'forward pf' section"},
		{"section 0", natBase, AddFirst, 0, -1, `<x/>`, OperationUnsupported, "can't update unrecognized section of network"},
		{"section 13", natBase, AddFirst, 13, -1, `<x/>`, OperationUnsupported, "can't update unrecognized section of network"},
		{"command 0", natBase, 0, SectionDHCPHost, -1, good, OperationUnsupported, "unrecognized network update command code 0"},
		{"command 5", natBase, 5, SectionDNSTXT, -1, `<txt name='x' value=''/>`, OperationUnsupported, "unrecognized network update command code 5"},

		{"dhcp host with mac only", natBase, AddLast, SectionDHCPHost, 0, `<host mac='00:16:3e:77:e2:ee'/>`, XMLError, "Missing IP address in static host definition for network 'n'"},
		{"dhcp host with name only", natBase, AddLast, SectionDHCPHost, 0, `<host name='x'/>`, XMLError, "Missing IP address"},
		{"dhcp host with ip only", natBase, AddLast, SectionDHCPHost, 0, `<host ip='192.168.122.12'/>`, XMLError, "must have mac or name"},
		{"dhcp host is there", natBase, AddLast, SectionDHCPHost, 0, `<host mac='00:16:3e:77:e2:ed' name='a.example.com' ip='192.168.122.10'/>`, OperationInvalid,
			`there is an existing dhcp host entry in network 'n' that matches "<host mac='00:16:3e:77:e2:ed' name='a.example.com' ip='192.168.122.10'/>"`},
		{"the mac is there", natBase, AddLast, SectionDHCPHost, 0, `<host mac='00:16:3E:77:e2:ed' name='x' ip='192.168.122.12'/>`, OperationInvalid, "existing dhcp host entry"},
		{"the name is there", natBase, AddFirst, SectionDHCPHost, 0, `<host name='b.example.com' ip='192.168.122.12'/>`, OperationInvalid, "existing dhcp host entry"},
		{"the ip is there", natBase, AddFirst, SectionDHCPHost, 0, `<host name='x' ip='192.168.122.11'/>`, OperationInvalid, "existing dhcp host entry"},
		{"no such dhcp host to modify", natBase, Modify, SectionDHCPHost, 0, newHost, OperationInvalid,
			`couldn't locate an existing dhcp host entry with "mac='52:54:00:aa:bb:cc'" "name='c.example.com'" "ip='192.168.122.12'" in network 'n'`},
		{"dhcp host modified with mac only", natBase, Modify, SectionDHCPHost, 0, `<host mac='00:16:3e:77:e2:ed'/>`, XMLError, "Missing IP address"},
		{"no such dhcp host to delete", natBase, Delete, SectionDHCPHost, 0, newHost, OperationInvalid, "couldn't locate a matching dhcp host entry in network 'n'"},
		{"mac and name of two", natBase, Delete, SectionDHCPHost, 0, `<host mac='00:16:3e:77:e2:ed' name='b.example.com'/>`, OperationInvalid, "couldn't locate a matching"},
		{"delete by id only", routeBase, Delete, SectionDHCPHost, 1, `<host id='0:4:7e:7d:f0:7d:a8:bc:c5:d2'/>`, XMLError, "At least one of name, mac, or ip attribute must be specified"},
		{"delete by nothing", natBase, Delete, SectionDHCPHost, 0, `<host/>`, XMLError, "At least one of name, mac, or ip"},
		{"delete by an address of the other family", natBase, Delete, SectionDHCPHost, 0, `<host ip='fd00::1'/>`, OperationInvalid, "couldn't locate a matching"},
		{"dhcp host of the other family", natBase, AddLast, SectionDHCPHost, 0, `<host name='x' ip='fd00::1'/>`, OperationInvalid, "the address family of a host entry IP must match"},
		{"multicast mac", natBase, AddLast, SectionDHCPHost, 0, `<host mac='01:00:5e:00:00:01' ip='192.168.122.12'/>`, XMLError, "expected unicast mac"},
		{"mac in IPv6", routeBase, AddLast, SectionDHCPHost, 1, `<host mac='52:54:00:aa:bb:cc' ip='2001:db8:ac10:fd01::5'/>`, XMLError, "Invalid to specify MAC address"},
		{"mac in IPv6, with an IPv4 address", routeBase, AddLast, SectionDHCPHost, 1, `<host mac='52:54:00:aa:bb:cc' ip='192.168.122.12'/>`, XMLError, "Invalid to specify MAC address"},
		{"dhcp on a second IPv4 ip", natBase, AddLast, SectionDHCPHost, 1, `<host mac='52:54:00:aa:bb:cc' ip='192.168.123.12'/>`, OperationInvalid, "dhcp is supported only for a single IPv4 address on each network"},
		{"no ip at index", natBase, AddLast, SectionDHCPHost, 2, good, OperationInvalid, "no <ip> element found at index 2 in network 'n'"},
		{"no ip at all", bareBase, AddLast, SectionDHCPHost, -1, good, OperationInvalid, "no <ip> element"},

		{"range in the IPv6 ip", routeBase, AddLast, SectionDHCPRange, 1, `<range start='192.168.122.10' end='192.168.122.100'/>`, InternalError, "mismatch of address family in range 192.168.122.10 - 192.168.122.100"},
		{"range at index 9", routeBase, AddLast, SectionDHCPRange, 9, `<range start='192.168.122.10' end='192.168.122.100'/>`, OperationInvalid, "couldn't update dhcp host entry - no <ip> element found at index 9 in network 'n'"},
		{"range outside", natBase, AddLast, SectionDHCPRange, 0, `<range start='10.0.0.10' end='10.0.0.20'/>`, InternalError, "range 10.0.0.10 - 10.0.0.20 is not entirely within network 192.168.122.1/24"},
		{"range reversed", natBase, AddLast, SectionDHCPRange, 0, `<range start='192.168.122.9' end='192.168.122.8'/>`, InternalError, "reversed"},
		{"range without end", natBase, Delete, SectionDHCPRange, 0, `<range start='192.168.122.9'/>`, XMLError, "Missing 'end'"},
		{"range is there", natBase, AddFirst, SectionDHCPRange, 0, `<range start='192.168.122.2' end='192.168.122.254'/>`, OperationInvalid, "there is an existing dhcp range entry in network 'n'"},
		{"range on a second ip", natBase, AddFirst, SectionDHCPRange, 1, `<range start='192.168.123.2' end='192.168.123.254'/>`, OperationInvalid, "single IPv4 address"},
		{"no such range", natBase, Delete, SectionDHCPRange, 0, `<range start='192.168.122.2' end='192.168.122.253'/>`, OperationInvalid, "couldn't locate a matching dhcp range entry"},
		{"range modified", natBase, Modify, SectionDHCPRange, 0, `<range start='192.168.122.2' end='192.168.122.253'/>`, OperationUnsupported, "dhcp ranges cannot be modified"},

		{"second device of nat", natBase, AddFirst, SectionForwardInterface, -1, `<interface dev='eth47'/>`, XMLError, "multiple forwarding interfaces"},
		{"device without name", natBase, AddFirst, SectionForwardInterface, -1, `<interface/>`, XMLError, "Missing required dev attribute"},
		{"device is there", poolBase, AddFirst, SectionForwardInterface, -1, `<interface dev='eth2'/>`, OperationInvalid, "there is an existing interface entry in network 'n' that matches"},
		{"no such device", natBase, Delete, SectionForwardInterface, -1, `<interface dev='eth47'/>`, OperationInvalid, "couldn't find an interface entry in network 'n' matching <interface dev='eth47'>"},
		{"device modified", natBase, Modify, SectionForwardInterface, -1, `<interface dev='eth1'/>`, OperationUnsupported, "forward interface entries cannot be modified"},
		{"device in use", poolBase, Delete, SectionForwardInterface, -1, `<interface dev='eth2'/>`, OperationInvalid, "unable to delete interface 'eth2' in network 'n'"},
		{"device of an isolated network", bareBase, AddLast, SectionForwardInterface, -1, `<interface dev='eth2'/>`, OperationInvalid, "no forward element"},

		{"portgroup is there", groupBase, AddLast, SectionPortGroup, -1, `<portgroup name='alice'/>`, OperationInvalid, "there is an existing portgroup entry in network 'n' that matches"},
		{"no such portgroup to modify", groupBase, Modify, SectionPortGroup, -1, `<portgroup name='alison'/>`, OperationInvalid, "couldn't find a portgroup entry in network 'n' matching <portgroup name='alison'>"},
		{"no such portgroup to delete", groupBase, Delete, SectionPortGroup, -1, `<portgroup name='alison'/>`, OperationInvalid, "couldn't find a portgroup entry"},
		{"second default", groupBase, AddLast, SectionPortGroup, -1, `<portgroup name='x' default='yes'/>`, OperationInvalid, "a different portgroup entry in network 'n' is already set as the default"},
		{"default by modifying", groupBase, Modify, SectionPortGroup, -1, `<portgroup name='alice' default='yes'/>`, OperationInvalid, "already set as the default"},
		{"portgroup without name", groupBase, Delete, SectionPortGroup, -1, `<portgroup/>`, XMLError, "Missing required name attribute in portgroup"},

		{"dns host without ip", hostsBase, AddLast, SectionDNSHost, -1, `<host><hostname>x</hostname></host>`, XMLDetail, "Missing IP address in network 'n' DNS HOST record"},
		{"dns host without name", hostsBase, AddLast, SectionDNSHost, -1, `<host ip='192.168.122.9'/>`, XMLDetail, "Missing hostname in network 'n' DNS HOST record"},
		{"dns host with neither", hostsBase, Delete, SectionDNSHost, -1, `<host/>`, XMLDetail, "Missing ip and hostname in network 'n' DNS HOST record"},
		{"dns host with a bad ip", hostsBase, Modify, SectionDNSHost, -1, `<host ip='192.168.122.333'><hostname>x</hostname></host>`, XMLDetail, "Invalid IP address '192.168.122.333'"},
		{"dns host is there", hostsBase, AddLast, SectionDNSHost, -1, `<host ip='192.168.122.1'><hostname>x</hostname></host>`, OperationInvalid, "there is already at least one DNS HOST record with a matching field in network n"},
		{"no such dns host to modify", hostsBase, Modify, SectionDNSHost, -1, `<host ip='192.168.122.9'><hostname>gateway</hostname></host>`, OperationInvalid, "couldn't locate a matching DNS HOST record in network n"},
		{"no such dns host to delete", hostsBase, Delete, SectionDNSHost, -1, `<host ip='192.168.122.9'/>`, OperationInvalid, "couldn't locate a matching DNS HOST record"},
		{"two dns hosts", hostsBase, Delete, SectionDNSHost, -1, `<host><hostname>gateway</hostname><hostname>pudding</hostname></host>`, OperationInvalid, "multiple matching DNS HOST records were found in network n"},

		{"txt is there", natBase, AddLast, SectionDNSTXT, -1, `<txt name='example' value='x'/>`, OperationInvalid, "there is already a DNS TXT record with name 'example' in network n"},
		{"no such txt to delete", natBase, Delete, SectionDNSTXT, -1, `<txt name='x'/>`, OperationInvalid, "couldn't locate a matching DNS TXT record in network n"},
		{"no such txt to modify", natBase, Modify, SectionDNSTXT, -1, `<txt name='x' value='x'/>`, OperationInvalid, "couldn't locate a matching DNS TXT record"},
		{"txt without value", natBase, AddLast, SectionDNSTXT, -1, `<txt name='x'/>`, XMLDetail, "missing required value attribute"},
		{"txt without name", natBase, Delete, SectionDNSTXT, -1, `<txt/>`, XMLDetail, "missing required name attribute"},

		{"srv is there", srvBase, AddLast, SectionDNSSRV, -1, `<srv service='sip' protocol='udp' domain='test.example' target='.' port='1024' priority='10' weight='10'/>`, OperationInvalid,
			"there is already at least one DNS SRV record matching all specified fields in network n"},
		{"no such srv", srvBase, Delete, SectionDNSSRV, -1, `<srv service='ldap'/>`, OperationInvalid, "couldn't locate a matching DNS SRV record in network n"},
		{"two srv", srvBase, Delete, SectionDNSSRV, -1, `<srv service='sip'/>`, OperationInvalid, "multiple DNS SRV records matching all specified fields were found in network n"},
		{"srv by nothing", srvBase, Delete, SectionDNSSRV, -1, `<srv domain='test.example'/>`, XMLDetail, "Missing required service attribute or protocol"},
		{"srv modified", srvBase, Modify, SectionDNSSRV, -1, `<srv service='sip' protocol='tcp'/>`, OperationUnsupported, "DNS SRV records cannot be modified"},
		{"srv without protocol", srvBase, AddLast, SectionDNSSRV, -1, `<srv service='sip'/>`, XMLDetail, "missing required protocol attribute"},
		{"dns that is off", strings.Replace(bareBase, "</network>", "<dns enable='no'/></network>", 1), AddLast, SectionDNSTXT, -1, `<txt name='x' value='x'/>`, XMLError, "Extra data in disabled network 'n'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := mustParse(t, tt.base)
			got, _, err := n.Update(Update{tt.command, tt.section, tt.index, []byte(tt.xml), func(dev string) int { return len(dev) }})
			var refusal *Error
			if !errors.As(err, &refusal) {
				t.Fatalf("got %v and\n%v", err, got)
			}
			if refusal.Kind != tt.kind || !strings.Contains(refusal.Text, tt.text) {
				t.Errorf("got kind %d %q, want kind %d with %q", refusal.Kind, refusal.Text, tt.kind, tt.text)
			}
		})
	}
}

func TestUpdateTellsWhatItIgnored(t *testing.T) {
	_, warnings, err := mustParse(t, natBase).Update(Update{Command: AddLast, Section: SectionDHCPHost, ParentIndex: -1,
		XML: []byte(`<host mac='52:54:00:aa:bb:cc' ip='192.168.122.12' colour='red'><hat/></host>`)})
	if err != nil {
		t.Fatal(err)
	}
	want := []Warning{{1, "host", "unknown attribute 'colour'"}, {1, "host", "unknown element <hat>"}}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func FuzzUpdate(f *testing.F) {
	for section, xml := range map[Section]string{
		SectionDHCPHost: newHost, SectionDHCPRange: `<range start='192.168.122.3' end='192.168.122.4'/>`,
		SectionForwardInterface: `<interface dev='eth1'/>`, SectionPortGroup: `<portgroup name='x'><vlan><tag id='1'/></vlan></portgroup>`,
		SectionDNSHost: `<host ip='1.2.3.4'><hostname>x</hostname></host>`, SectionDNSTXT: `<txt name='x' value='y'/>`, SectionDNSSRV: `<srv service='s' protocol='tcp'/>`,
	} {
		for c := Modify; c <= AddFirst; c++ {
			f.Add(uint32(c), uint32(section), -1, []byte(xml))
		}
	}
	n, _, err := Parse([]byte(natBase))
	if err != nil {
		f.Fatal(err)
	}
	before := string(n.Format(FormatOptions{}))
	f.Fuzz(func(t *testing.T, command, section uint32, index int, xml []byte) {
		got, _, err := n.Update(Update{Command: Command(command), Section: Section(section), ParentIndex: index, XML: xml})
		if string(n.Format(FormatOptions{})) != before {
			t.Fatal("the original changed")
		}
		if err != nil {
			return
		}
		text := got.Format(FormatOptions{})
		again, _, err := Parse(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(string(text), string(again.Format(FormatOptions{}))); diff != "" {
			t.Errorf("printed, parsed and printed (-once +twice):\n%s", diff)
		}
	})
}
