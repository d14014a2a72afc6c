package network

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/bustest"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

func TestSettingRegistersEveryNetwork(t *testing.T) {
	bus := bustest.New(t)
	s := &site{t: t, ns: kerneltest.New(t), dir: t.TempDir(), bus: bus.Address, register: true}
	s.start()
	// Without systemd-resolved networks start as they always did.
	ref := s.mustStart(`<network><name>a</name><forward mode='open'/><bridge name='virbr6'/><domain name='a.test'/><ip address='10.6.0.1' prefix='24'/></network>`)
	s.mustStart(`<network><name>b</name><forward mode='open'/><bridge name='virbr7'/><ip address='10.7.0.1' prefix='16'/><ip family='ipv6' address='fd00:7::1' prefix='64'/></network>`)
	s.mustStart(`<network><name>c</name><forward mode='open'/><bridge name='virbr8'/><dns enable='no'/><ip address='10.8.0.1' prefix='24'/></network>`)

	var r *bustest.Resolved
	both := []string{
		"~7.10.in-addr.arpa ~0.0.0.0.0.0.0.0.7.0.0.0.0.0.d.f.ip6.arpa 2/10.7.0.1 10/fd00:7::1 ",
		"~a.test ~0.6.10.in-addr.arpa 2/10.6.0.1 ",
	}
	registered := func() []string {
		told := slices.Sorted(maps.Values(r.Links()))
		return slices.DeleteFunc(told, func(s string) bool { return s == "" })
	}
	eventually := func(what string, want []string) {
		t.Helper()
		kerneltest.Wait(t, 15*time.Second, what, func() bool { return cmp.Equal(want, registered()) })
	}
	r = bus.Resolved(t)
	eventually("networks to be registered with a resolver that starts later", both)
	doc, err := s.XML(ref.UUID, false)
	if err != nil {
		t.Fatal(err)
	}
	if want := "<domain name='a.test'/>"; !strings.Contains(doc, want) {
		t.Errorf("the definition changed; want %s in\n%s", want, doc)
	}
	if p := s.byID[ref.UUID].plan; !slices.Contains(p.DNS.LocalZones, "a.test") {
		t.Error("the host's resolver would be asked for names that it asks us for")
	}

	// The resolver must not ask a daemon that has ended.
	s.stop()
	if left := registered(); len(left) > 0 {
		t.Errorf("left when the daemon ended: %q", left)
	}
	s.start()
	eventually("adopted networks to be registered", both)
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Error(err)
	}
	s.stop()
	s.register = false
	s.start()
	if left := registered(); len(left) > 1 || len(left) == 1 && left[0] != both[1] {
		t.Errorf("registered without the setting: %q", left)
	}
}

func TestNetworkStartsThoughItCannotBeRegisteredAsSet(t *testing.T) {
	bus := bustest.New(t)
	bus.Resolved(t).Fail("SetLinkDNS") // as for a link that systemd-networkd has
	s := &site{t: t, ns: kerneltest.New(t), dir: t.TempDir(), bus: bus.Address, register: true}
	s.start()
	s.mustStart(`<network><name>a</name><bridge name='virbr6'/><domain name='a.test'/><ip address='10.6.0.1' prefix='24'/></network>`)
	ref := s.mustDefine(`<network><name>b</name><bridge name='virbr7'/><domain name='b.test' localOnly='yes' register='yes'/><ip address='10.7.0.1' prefix='24'/></network>`)
	if err := s.Start(t.Context(), ref.UUID); err == nil {
		t.Error("a network that asks to be registered started without")
	}
}
