package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/bridge"
)

// card puts an SR-IOV card, link ens1, into the site's sysfs; its functions
// have the given links ("" for none).
func (s *site) card(links ...string) {
	s.t.Helper()
	must := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	pf := filepath.Join(s.dir, "sys/bus/pci/devices/0000:03:00.0")
	must(os.RemoveAll(filepath.Join(s.dir, "sys")))
	must(os.MkdirAll(pf, 0o755))
	must(os.MkdirAll(filepath.Join(s.dir, "sys/class/net/ens1"), 0o755))
	must(os.Symlink(pf, filepath.Join(s.dir, "sys/class/net/ens1/device")))
	for i, link := range links {
		vf := filepath.Join(s.dir, fmt.Sprintf("sys/bus/pci/devices/0000:03:10.%d", i))
		must(os.MkdirAll(filepath.Join(vf, "net", link), 0o755))
		must(os.Symlink(pf, filepath.Join(vf, "physfn")))
		must(os.Symlink(vf, filepath.Join(pf, fmt.Sprintf("virtfn%d", i))))
	}
}

// wantXML checks the forward element of the live and the stored definition.
func (s *site) wantXML(ref Ref, inactive bool, has []string, hasNot ...string) {
	s.t.Helper()
	doc, err := s.XML(ref.UUID, inactive)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, want := range has {
		if !strings.Contains(doc, want) {
			s.t.Errorf("%s is not in\n%s", want, doc)
		}
	}
	for _, not := range hasNot {
		if strings.Contains(doc, not) {
			s.t.Errorf("%s is in\n%s", not, doc)
		}
	}
}

func TestNetworksWithoutABridgeTouchNothing(t *testing.T) {
	for name, body := range map[string]string{
		"bridge":           `<forward mode='bridge'/><bridge name='br0'/>`, // which need not be there
		"macvtap":          `<forward mode='bridge'><interface dev='eth5'/></forward>`,
		"private":          `<forward mode='private' dev='eth5'/>`,
		"vepa":             `<forward mode='vepa'><interface dev='eth5'/><interface dev='eth6'/></forward><virtualport type='802.1Qbg'/>`,
		"passthrough":      `<forward mode='passthrough'><interface dev='eth5'/></forward>`,
		"hostdev":          `<forward mode='hostdev' managed='yes'><driver name='vfio'/><address type='pci' domain='0' bus='3' slot='0x10' function='0'/></forward><vlan><tag id='7'/></vlan>`,
		"everything inert": `<forward mode='bridge'/><bridge name='br0'/><port isolated='yes'/><portgroup name='p'><bandwidth><inbound average='1'/></bandwidth></portgroup><dns enable='no'/>`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.card("ens1v0")
			before := s.kernelState()
			ref := s.mustStart("<network trustGuestRxFilters='yes'><name>n</name>" + body + "</network>")
			if info, err := s.LookupName("n"); err != nil || !info.Active || !info.Persistent {
				t.Errorf("%+v %v", info, err)
			}
			doc, _ := s.XML(ref.UUID, false)
			s.stop()
			s.start()
			if info, err := s.LookupName("n"); err != nil || !info.Active {
				t.Errorf("after a restart: %+v %v", info, err)
			}
			if again, _ := s.XML(ref.UUID, false); again != doc {
				t.Errorf("a restart changed the definition (-before +after):\n%s", cmp.Diff(doc, again))
			}
			s.ns.Run(t, "ip link add some type bridge; ip link del some") // nothing to heal
			if err := s.Destroy(t.Context(), ref.UUID); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(before, s.kernelState()); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
			if err := s.Undefine(t.Context(), ref.UUID); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBridgeNameIsTheNamedOneOrNone(t *testing.T) {
	s := newSite(t)
	for name, want := range map[string]string{
		`<forward mode='bridge'/><bridge name='br0'/>`:                      "br0",
		`<forward mode='bridge'><interface dev='eth5'/></forward>`:          "",
		`<forward mode='passthrough'><pf dev='ens1'/></forward>`:            "",
		`<forward mode='bridge'/><bridge name='br0'/><port isolated='no'/>`: "br0", // a second network on it
	} {
		ref := s.mustDefine("<network><name>" + fmt.Sprint(len(name)) + "</name>" + name + "</network>")
		if info, err := s.LookupUUID(ref.UUID); err != nil || info.Bridge != want {
			t.Errorf("%s: %+v %v", name, info, err)
		}
	}
	if _, err := s.Define(t.Context(), []byte(`<network><name>own</name><bridge name='br0'/></network>`), false); err == nil || !strings.Contains(err.Error(), "already in use") {
		t.Errorf("a network made its own of a bridge that others name: %v", err)
	}
}

func TestPhysicalFunctionStandsForItsVirtualOnes(t *testing.T) {
	s := newSite(t)
	s.card("ens1v0", "", "ens1v2")
	links := []string{"<forward mode='passthrough'>", "<pf dev='ens1'/>", "<interface dev='ens1v0'/>", "<interface dev='ens1v2'/>"}
	byLink := s.mustStart(`<network><name>l</name><forward mode='passthrough'><pf dev='ens1'/></forward></network>`)
	s.wantXML(byLink, false, links)
	s.wantXML(byLink, true, links[:2], "<interface")

	pci := []string{"<pf dev='ens1'/>", "<address type='pci' domain='0x0000' bus='0x03' slot='0x10' function='0x0'/>",
		"slot='0x10' function='0x1'/>", "slot='0x10' function='0x2'/>"}
	byAddr := s.mustStart(`<network><name>a</name><forward mode='hostdev' managed='yes'><pf dev='ens1'/></forward></network>`)
	s.wantXML(byAddr, false, pci)
	s.wantXML(byAddr, true, pci[:1], "<address")

	// A function that serves a guest when the daemon starts again, and one more.
	s.stop()
	s.card("ens1v0", "", "ens1v2", "ens1v3")
	s.start()
	s.wantXML(byLink, false, append(links, "<interface dev='ens1v3'/>"))
	s.wantXML(byAddr, false, append(pci, "slot='0x10' function='0x3'/>"))

	// The card is gone: the networks are still active.
	s.stop()
	if err := os.RemoveAll(filepath.Join(s.dir, "sys")); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.wantXML(byLink, false, links[:2], "<interface")
	for _, ref := range []Ref{byLink, byAddr} {
		if err := s.Destroy(t.Context(), ref.UUID); err != nil {
			t.Error(err)
		}
		s.wantXML(ref, false, pci[:1], "<interface", "<address")
	}
}

func TestPoolsThatCannotBeAreRefused(t *testing.T) {
	s := newSite(t)
	s.card("")
	start := func(body string) error {
		ref, err := s.Create(t.Context(), []byte("<network><name>n</name>"+body+"</network>"), false)
		if err == nil {
			t.Errorf("%s: started as %v", body, ref)
		}
		return err
	}
	for _, tt := range []struct {
		body string
		kind error
		text string
	}{
		{`<forward mode='passthrough'><pf dev='ens1'/></forward>`, ErrInternal, "No usable Vf's present on SRIOV PF ens1"},
		{`<forward mode='hostdev'><pf dev='eth9'/></forward>`, ErrInternal, "No usable Vf's present on SRIOV PF eth9"},
		{`<forward mode='hostdev'><address type='pci' bus='3'/></forward>`, ErrUnsupported, "/bus/pci/devices/0000:03:00.0' in network 'n' is not an SR-IOV Virtual Function"},
		{`<forward mode='hostdev'><address type='pci' bus='9'/></forward>`, ErrUnsupported, "/bus/pci/devices/0000:09:00.0' in network 'n' is not an SR-IOV Virtual Function"},
	} {
		if err := start(tt.body); !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %v, want %s", tt.body, err, tt.text)
		}
	}
	if all := s.List(); len(all) != 1 { // default
		t.Errorf("networks: %+v", all)
	}
}

func TestLimitsOfABridgeOfTheHost(t *testing.T) {
	s := newSite(t)
	s.ns.Run(t, "ip link add br0 type bridge")
	tc := func() string { return s.ns.Run(t, "tc qdisc show dev br0; tc class show dev br0") }
	before := tc()
	ref := s.mustStart(`<network><name>n</name><forward mode='bridge'/><bridge name='br0'/><bandwidth><inbound average='1000' peak='2000'/></bandwidth></network>`)
	during := tc()
	if !strings.Contains(during, "class htb 1:1 root rate 8Mbit ceil 16Mbit") {
		t.Errorf("no limit:\n%s", during)
	}
	s.stop()
	s.ns.Run(t, "tc qdisc del dev br0 root")
	s.start()
	if diff := cmp.Diff(during, tc()); diff != "" {
		t.Errorf("not put back by a restart:\n%s", diff)
	}
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, tc()); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
	s.ns.Run(t, "ip link del br0")
	if err := s.Start(t.Context(), ref.UUID); !errors.Is(err, ErrSystem) || !strings.Contains(err.Error(), "br0") {
		t.Errorf("limits of a bridge that is not there: %v", err)
	}
	if err := s.Undefine(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
}

func TestVLANFilteringIsOnOrTheKernelLacksIt(t *testing.T) {
	s := newSite(t)
	s.ns.Run(t, "ip link add br0 type bridge")
	for link, body := range map[string]string{
		"br0":    `<forward mode='bridge'/><bridge name='br0' macTableManager='libvirt'/>`,
		"virbr9": `<bridge name='virbr9' macTableManager='libvirt'/>`,
	} {
		ref := s.mustDefine("<network><name>" + link + "</name>" + body + "</network>")
		before := s.kernelState()
		err := s.Start(t.Context(), ref.UUID)
		if err == nil {
			if shown := s.ns.Run(t, "ip -d link show "+link); !strings.Contains(shown, "vlan_filtering 1") {
				t.Errorf("%s: off\n%s", link, shown)
			}
			continue
		}
		if !errors.Is(err, ErrSystem) || !strings.Contains(err.Error(), bridge.ErrNotInKernel.Error()+" bridge VLAN filtering") {
			t.Errorf("%s: %v", link, err)
		}
		if diff := cmp.Diff(before, s.kernelState()); diff != "" {
			t.Errorf("%s: left behind:\n%s", link, diff)
		}
	}
}
