package radv

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/ndp"
)

func TestWhatIsAdvertisedNoMoreIsTakenBack(t *testing.T) {
	one, two := netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	prefix := func(s string) Prefix {
		return Prefix{Prefix: netip.MustParsePrefix(s), OnLink: true, Valid: time.Hour, Preferred: time.Hour}
	}
	old := Config{Prefixes: []Prefix{prefix("fd01::/64"), prefix("fd02::/64")}, DNS: true, Resolvers: []netip.Addr{one, two}, Search: []string{"a", "b"}}
	now := Config{Prefixes: []Prefix{prefix("fd02::/64"), prefix("fd03::/64")}, DNS: true, Resolvers: []netip.Addr{two}, Search: []string{"b"}}
	ra := advertisement(now, origin{})
	n := len(ra.Options)
	withdraw(ra, old, origin{})
	withdraw(ra, old, origin{}) // once is enough
	want := []ndp.Option{
		&ndp.PrefixInformation{PrefixLength: 64, OnLink: true, Prefix: netip.MustParseAddr("fd01::")},
		&ndp.RecursiveDNSServer{Servers: []netip.Addr{one}},
		&ndp.DNSSearchList{DomainNames: []string{"a"}},
	}
	if diff := cmp.Diff(want, ra.Options[n:], cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOnlyTheLastConfigurationsAreRemembered(t *testing.T) {
	now := time.Now()
	var all []past
	for i := range maxPast + 3 {
		all = remember(all, Config{MTU: i}, now)
	}
	if len(all) != maxPast || all[0].cfg.MTU != 3 {
		t.Errorf("%d are remembered, from %d on; want %d, from 3 on", len(all), all[0].cfg.MTU, maxPast)
	}
	if all = remember(all, Config{MTU: 99}, now.Add(withdrawal)); len(all) != 1 {
		t.Errorf("%d are remembered after two hours, want the last one", len(all))
	}
}
