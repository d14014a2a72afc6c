package plan

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func TestResolversAndDomainsAreAdvertised(t *testing.T) {
	type said struct {
		DNS       bool
		Resolvers []netip.Addr
		Search    []string
	}
	for _, tc := range []struct {
		name, elements, options string
		want                    said
	}{
		{"no domain", "", "", said{DNS: true}},
		{"domain", "<domain name='lab.test'/>", "", said{DNS: true, Search: []string{"lab.test"}}},
		{"domain that is none on the wire", "<domain name=\"a&amp;b'c\"/>", "", said{DNS: true}},
		{"no resolver", "<domain name='lab.test'/><dns enable='no'/>", "", said{}},
		{"port=0", "<domain name='lab.test'/>", "port=0", said{}},
		{"domain of dnsmasq's", "<domain name='lab.test'/>", "domain=other.test", said{DNS: true, Search: []string{"other.test"}}},
		{"other domains", "<domain name='lab.test'/>", "dhcp-option=option6:domain-search,a.test,b.a.test", said{DNS: true, Search: []string{"a.test", "b.a.test"}}},
		{"other resolvers", "", "dhcp-option=option6:dns-server,[fd00::9],[::]", said{DNS: true, Resolvers: []netip.Addr{netip.MustParseAddr("fd00::9"), netip.MustParseAddr("fd00:6::1")}}},
		{"resolvers of some only", "", "dhcp-option=tag:x,option6:dns-server,[fd00::9]", said{DNS: true}},
		{"no resolver by option", "", "dhcp-option=option6:dns-server", said{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			doc := `<network xmlns:d='http://libvirt.org/schemas/network/dnsmasq/1.0'><name>n</name><bridge name='virbr6'/><mac address='52:54:00:00:00:06'/>` + tc.elements +
				`<ip address='192.168.6.1' prefix='24'><dhcp><range start='192.168.6.2' end='192.168.6.9'/></dhcp></ip>
<ip family='ipv6' address='fd00:6::1' prefix='64'/>`
			if tc.options != "" {
				doc += "<d:options><d:option value='" + tc.options + "'/></d:options>"
			}
			n, _, err := xmlnet.Parse([]byte(doc + "</network>"))
			if err != nil {
				t.Fatal(err)
			}
			p, err := Make(n, bridge.Host{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, said{p.RA.DNS, p.RA.Resolvers, p.RA.Search}, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
