package network

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/bustest"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// newSiteWithBus is a host with a D-Bus.
func newSiteWithBus(t *testing.T) (*site, *bustest.Bus) {
	bus := bustest.New(t)
	s := &site{t: t, ns: kerneltest.New(t), dir: t.TempDir(), bus: bus.Address}
	s.start()
	return s, bus
}

func TestBridgesAreInTheirFirewalldZones(t *testing.T) {
	s, bus := newSiteWithBus(t)
	fw := bus.Firewalld(t, []string{"libvirt", "libvirt-routed", "work"}, []string{"libvirt-routed-out"})
	want := map[string]string{"virbr1": "libvirt", "virbr2": "libvirt-routed", "virbr3": "work", "virbr5": "work"}
	for _, doc := range []string{
		`<network><name>isolated</name><bridge name='virbr1'/></network>`,
		`<network><name>route</name><forward mode='route'/><bridge name='virbr2'/><ip address='10.2.0.1' prefix='24'/></network>`,
		`<network><name>asked</name><bridge name='virbr3' zone='work'/></network>`,
		`<network><name>open</name><forward mode='open'/><bridge name='virbr4'/></network>`,
		`<network><name>open and asked</name><forward mode='open'/><bridge name='virbr5' zone='work'/></network>`,
		`<network><name>host's</name><forward mode='bridge'/><bridge name='br0'/></network>`,
	} {
		s.mustStart(doc)
	}
	if diff := cmp.Diff(want, fw.Links()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	changes := fw.Changes()
	s.stop()
	s.start()
	if n := fw.Changes(); n != changes {
		t.Errorf("a restart changed %d zones", n-changes)
	}
	// The restarted daemon listens some time later: reload until it has heard.
	kerneltest.Wait(t, 10*time.Second, "the zones to be put back", func() bool {
		if len(fw.Links()) == 0 || fw.Changes() == changes {
			fw.Reload(t)
		}
		return cmp.Equal(want, fw.Links())
	})
	for _, info := range s.List() {
		if info.Active {
			if err := s.Destroy(t.Context(), info.UUID); err != nil {
				t.Error(err)
			}
		}
	}
	if left := fw.Links(); len(left) > 0 {
		t.Errorf("left in zones: %v", left)
	}
}

func TestZoneThatCannotBeStopsTheStart(t *testing.T) {
	s, bus := newSiteWithBus(t)
	ref := s.mustDefine(`<network><name>z</name><bridge name='virbr3' zone='work'/></network>`)
	before := s.kernelState()
	check := func(text string) {
		t.Helper()
		if err := s.Start(t.Context(), ref.UUID); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
		if diff := cmp.Diff(before, s.kernelState()); diff != "" {
			t.Errorf("left behind (-before +after):\n%s", diff)
		}
	}
	check("zone work requested for bridge virbr3 but firewalld is not active")
	fw := bus.Firewalld(t, []string{"libvirt"}, nil)
	check("INVALID_ZONE: work")
	if left := fw.Links(); len(left) > 0 {
		t.Errorf("left in zones: %v", left)
	}
}

func TestDomainIsRegisteredWithTheHostsResolver(t *testing.T) {
	s, bus := newSiteWithBus(t)
	const doc = `<network><name>r</name><forward mode='open'/><bridge name='virbr6'/><domain name='lab.test' localOnly='yes' register='yes'/><ip address='10.6.0.1' prefix='24'/></network>`
	ref := s.mustDefine(doc)
	before := s.kernelState()
	err := s.Start(t.Context(), ref.UUID)
	if !errors.Is(err, ErrOperationInvalid) || err.Error() != "failed to register name server: systemd-resolved is not available" {
		t.Errorf("without systemd-resolved: %v", err)
	}
	if diff := cmp.Diff(before, s.kernelState()); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
	r := bus.Resolved(t)
	if err := s.Start(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	registered := func() (index int) {
		for i, what := range r.Links() {
			switch what {
			case "~lab.test ~0.6.10.in-addr.arpa 2/10.6.0.1 ":
				index = max(index, i)
			case "~lab.test ~0.6.10.in-addr.arpa ": // on its way
			default:
				t.Errorf("link %d: %s", i, what)
			}
		}
		return index
	}
	first := registered()
	if first == 0 {
		t.Fatal("nothing was registered")
	}
	// What happens on the bridge is no reason to tell again (that the resolver
	// has begun may be heard of meanwhile); a new link is.
	kerneltest.Wait(t, 10*time.Second, "the bridge to go down and up without a call", func() bool {
		calls := r.Calls()
		s.ns.Run(t, "ip link set virbr6 down")
		kerneltest.Wait(t, 5*time.Second, "the bridge to be up again", func() bool {
			return strings.Contains(s.ns.Run(t, "ip link show virbr6"), ",UP")
		})
		return r.Calls() == calls
	})
	s.ns.Run(t, "ip link del virbr6")
	kerneltest.Wait(t, 5*time.Second, "the new bridge to be registered", func() bool { return registered() > first })
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Error(err)
	}

	// Without a resolver of its own there is nothing to register.
	calls := r.Calls()
	s.mustStart(`<network><name>q</name><bridge name='virbr7'/><domain name='q.test' localOnly='yes' register='yes'/><dns enable='no'/><ip address='10.7.0.1' prefix='24'/></network>`)
	if n := r.Calls(); n != calls {
		t.Errorf("a network without DNS was registered")
	}
}

func TestZoneAndRegistrationChangeLive(t *testing.T) {
	s, bus := newSiteWithBus(t)
	fw := bus.Firewalld(t, []string{"libvirt", "work"}, nil)
	r := bus.Resolved(t)
	doc := func(zone, register, addr string) []byte {
		return fmt.Appendf(nil, `<network><name>v</name><bridge name='virbr6' %s/><domain name='v.test' localOnly='yes' %s/><ip address='%s' prefix='24'/></network>`, zone, register, addr)
	}
	ref := s.mustStart(string(doc("", "", "10.6.0.1")))
	live := func(doc []byte) error {
		_, err := s.DefineLive(t.Context(), doc, false)
		return err
	}
	want := func(zone, what string) {
		t.Helper()
		if got := fw.Links()["virbr6"]; got != zone {
			t.Errorf("zone %s, want %s", got, zone)
		}
		said := ""
		for _, text := range r.Links() {
			said = text
		}
		if said != what {
			t.Errorf("registered %q, want %q", said, what)
		}
	}
	want("libvirt", "")
	for _, step := range []struct {
		doc        []byte
		zone, what string
	}{
		{doc("zone='work'", "register='yes'", "10.6.0.1"), "work", "~v.test ~0.6.10.in-addr.arpa 2/10.6.0.1 "},
		{doc("", "", "10.6.0.1"), "libvirt", ""},
		{doc("", "register='yes'", "10.6.0.1"), "libvirt", "~v.test ~0.6.10.in-addr.arpa 2/10.6.0.1 "},
	} {
		if err := live(step.doc); err != nil {
			t.Fatal(err)
		}
		want(step.zone, step.what)
	}
	before, _ := s.XML(ref.UUID, false)
	if err := live(doc("zone='nowhere'", "", "10.6.0.1")); err == nil || !strings.Contains(err.Error(), "INVALID_ZONE") {
		t.Errorf("a zone that is not there: %v", err)
	}
	want("libvirt", "~v.test ~0.6.10.in-addr.arpa 2/10.6.0.1 ")
	if after, _ := s.XML(ref.UUID, false); after != before {
		t.Errorf("a live change that failed changed the definition:\n%s", cmp.Diff(before, after))
	}
}

func TestLimitsOfABridgeOfTheHostChangeLive(t *testing.T) {
	s := newSite(t)
	s.ns.Run(t, "ip link add br0 type bridge")
	tc := func() string { return s.ns.Run(t, "tc class show dev br0") }
	doc := func(limit string) string {
		return `<network><name>n</name><forward mode='bridge'/><bridge name='br0'/>` + limit + `</network>`
	}
	s.mustStart(doc(""))
	for _, step := range []struct{ limit, want string }{
		{`<bandwidth><inbound average='1000'/></bandwidth>`, "rate 8Mbit"},
		{`<bandwidth><inbound average='2000'/></bandwidth>`, "rate 16Mbit"},
		{"", ""},
	} {
		if _, err := s.DefineLive(t.Context(), []byte(doc(step.limit)), false); err != nil {
			t.Fatal(err)
		}
		if have := tc(); !strings.Contains(have, step.want) || step.want == "" && have != "" {
			t.Errorf("%q: want %q in\n%s", step.limit, step.want, have)
		}
	}
}
