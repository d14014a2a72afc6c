package network

import (
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// A pool that a physical function stands for can be changed live: from then on
// it is the links that it has, in the definition in force.
func TestPoolOfAPhysicalFunctionIsChangedLive(t *testing.T) {
	s := newSite(t)
	s.card("ens1v0", "ens1v1")
	ref := s.mustStart(`<network><name>l</name><forward mode='passthrough'><pf dev='ens1'/></forward></network>`)
	update := func(c xmlnet.Command, dev string, a Affect) error {
		return s.Update(t.Context(), ref.UUID, xmlnet.Update{Command: c, Section: xmlnet.SectionForwardInterface, ParentIndex: -1, XML: []byte("<interface dev='" + dev + "'/>")}, a)
	}
	if err := update(xmlnet.AddLast, "ens1v9", AffectLive); err != nil {
		t.Fatal(err)
	}
	s.wantXML(ref, false, []string{"<interface dev='ens1v0'/>", "<interface dev='ens1v1'/>", "<interface dev='ens1v9'/>"})
	s.wantXML(ref, true, []string{"<pf dev='ens1'/>"}, "<interface")
	if err := update(xmlnet.Delete, "ens1v0", AffectLive); err != nil {
		t.Fatal(err)
	}
	s.wantXML(ref, false, []string{"<interface dev='ens1v1'/>", "<interface dev='ens1v9'/>"}, "ens1v0")
	s.mustPort(ref.UUID, portDoc(1, "vm", portMAC, ""))
	if err := update(xmlnet.Delete, "ens1v1", AffectLive); err == nil || !strings.Contains(err.Error(), "currently being used by 1 domains") {
		t.Errorf("a device in use: %v", err)
	}
	if err := update(xmlnet.AddFirst, "ens1v9", AffectLive); err == nil || !strings.Contains(err.Error(), "there is an existing interface entry") {
		t.Errorf("a device that is there: %v", err)
	}
	if err := update(xmlnet.AddFirst, "ens1v8", AffectConfig); err == nil || !strings.Contains(err.Error(), "the devices of network 'l' are those of 'ens1'") {
		t.Errorf("a device of a stored <pf>: %v", err)
	}
	s.stop()
	s.start()
	s.wantXML(ref, false, []string{"<interface dev='ens1v1' connections='1'/>", "<interface dev='ens1v9'/>"}, "ens1v0")
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	s.wantXML(ref, false, []string{"<pf dev='ens1'/>"}, "<interface")
}
