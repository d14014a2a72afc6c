package plan

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/internal/golden"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func TestFixturesArePlannedAndRuled(t *testing.T) {
	docs, err := filepath.Glob("../fixtures/*/network.xml")
	if err != nil || len(docs) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, doc := range docs {
		dir := filepath.Dir(doc)
		if strings.HasPrefix(filepath.Base(dir), "bad-") {
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			text, err := os.ReadFile(doc)
			if err != nil {
				t.Fatal(err)
			}
			n, _, err := xmlnet.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Complete(func(string) bool { return false }); err != nil {
				t.Fatal(err)
			}
			p, err := Make(n, bridge.Host{})
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, filepath.Join(dir, "plan.txt"), []byte(p.String()))
			if p.NAT != nil {
				rules := nat.Ruleset{Networks: []nat.Network{*p.NAT}}
				golden.Check(t, filepath.Join(dir, "rules.nft"), []byte(rules.String()))
			}
		})
	}
}

func TestMakeRefuses(t *testing.T) {
	used := bridge.Host{Subnets: []bridge.Subnet{
		{Prefix: netip.MustParsePrefix("192.168.0.0/16"), Link: "eth0"},
		{Prefix: netip.MustParsePrefix("10.9.8.0/24"), Link: "wg0", Route: true},
		{Prefix: netip.MustParsePrefix("172.20.0.0/16"), Link: "virbr7"},
	}}
	tests := []struct {
		name, body string
		kind       xmlnet.Kind
		text       string
	}{
		{"subnet of a host's subnet", `<ip address='192.168.122.1' prefix='24'/>`, xmlnet.InternalError, "in use by interface eth0: 192.168.122.0/24 overlaps 192.168.0.0/16"},
		{"subnet around a host's route", `<ip address='10.0.0.1' prefix='8'/>`, xmlnet.InternalError, "in use by interface wg0: 10.0.0.0/8 overlaps 10.9.8.0/24"},
		{"static route over a host's route", `<ip address='172.30.0.1' prefix='24'/><route address='10.9.8.0' prefix='25' gateway='172.30.0.2'/>`, xmlnet.InternalError, "Route address '10.9.8.0/25' conflicts with IP address for 'wg0'"},
		{"netmask with a hole", `<ip address='172.30.0.1' netmask='255.0.255.0'/>`, xmlnet.InternalError, "ip[0]: netmask '255.0.255.0'"},
		{"localPtr off a label boundary", `<ip address='172.30.0.1' prefix='25' localPtr='yes'/>`, xmlnet.ConfigUnsupported, "multiple of 8, not 25"},
		{"ports of one port", `<forward mode='nat'><nat><port start='2000' end='2000'/></nat></forward><ip address='172.30.0.1' prefix='24'/>`, xmlnet.InternalError, "Invalid port range"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, _, err := xmlnet.Parse([]byte(`<network><name>n</name><bridge name='virbr7'/>` + tt.body + `</network>`))
			if err != nil {
				t.Fatal(err)
			}
			_, err = Make(n, used)
			var refused *xmlnet.Error
			if !errors.As(err, &refused) || refused.Kind != tt.kind || !strings.Contains(refused.Text, tt.text) {
				t.Fatalf("got %v, want kind %d with %q", err, tt.kind, tt.text)
			}
		})
	}
}

func TestOwnSubnetIsNoCollision(t *testing.T) {
	n, _, err := xmlnet.Parse([]byte(`<network><name>n</name><bridge name='virbr7'/><ip address='172.20.0.1' prefix='16'/></network>`))
	if err != nil {
		t.Fatal(err)
	}
	used := bridge.Host{Subnets: []bridge.Subnet{{Prefix: netip.MustParsePrefix("172.20.0.0/16"), Link: "virbr7"}}}
	if _, err := Make(n, used); err != nil {
		t.Fatal(err)
	}
}

func TestReverseZonesFollowTheSubnet(t *testing.T) {
	for prefix, want := range map[string]string{
		"192.168.122.1/24":     "122.168.192.in-addr.arpa",
		"10.1.2.3/8":           "10.in-addr.arpa",
		"fd00:1:2:3::1/64":     "3.0.0.0.2.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa",
		"2001:db8:ca2:2::1/36": "0.8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		if got := reverseZone(netip.MustParsePrefix(prefix)); got != want {
			t.Errorf("%s: got %s, want %s", prefix, got, want)
		}
	}
}
