package plan

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReverseZonesAreTheWholeSubnet(t *testing.T) {
	for _, tt := range []struct {
		prefix string
		want   []string
	}{
		{"192.168.122.1/24", []string{"122.168.192.in-addr.arpa"}},
		{"10.0.0.1/8", []string{"10.in-addr.arpa"}},
		{"172.31.254.9/15", []string{"30.172.in-addr.arpa", "31.172.in-addr.arpa"}},
		{"192.168.1.254/30", []string{
			"252.1.168.192.in-addr.arpa", "253.1.168.192.in-addr.arpa", "254.1.168.192.in-addr.arpa", "255.1.168.192.in-addr.arpa"}},
		{"255.255.255.254/31", []string{"254.255.255.255.in-addr.arpa", "255.255.255.255.in-addr.arpa"}},
		{"255.255.255.0/24", []string{"255.255.255.in-addr.arpa"}},
		{"2001:db8:ca2:2::1/64", []string{"2.0.0.0.2.a.c.0.8.b.d.0.1.0.0.2.ip6.arpa"}},
		{"2001:db8::1/34", []string{"0.8.b.d.0.1.0.0.2.ip6.arpa", "1.8.b.d.0.1.0.0.2.ip6.arpa",
			"2.8.b.d.0.1.0.0.2.ip6.arpa", "3.8.b.d.0.1.0.0.2.ip6.arpa"}},
	} {
		if diff := cmp.Diff(tt.want, reverseZones(netip.MustParsePrefix(tt.prefix))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.prefix, diff)
		}
	}
	if got := len(reverseZones(netip.MustParsePrefix("10.1.0.0/25"))); got != 128 {
		t.Errorf("/25: %d zones", got)
	}
}
