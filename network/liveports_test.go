package network

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func TestConnectionsAreCountedOnAcrossLiveChanges(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(liveDoc(natBody))
	s.mustPort(ref.UUID, portDoc(1, "vm", portMAC, ""))
	if err := s.Update(t.Context(), ref.UUID, addTXT("a"), AffectLive); err != nil {
		t.Fatal(err)
	}
	if n := s.connections(ref.UUID); n != 1 {
		t.Errorf("%d connections after an update", n)
	}
	if _, err := s.DefineLive(t.Context(), []byte(liveDoc(variants[2])), false); err != nil {
		t.Fatal(err)
	}
	if n := s.connections(ref.UUID); n != 1 {
		t.Errorf("%d connections after a redefinition", n)
	}
}

func TestPortsKeepWhatTheyHave(t *testing.T) {
	pool := func(devs ...string) string {
		return "<network><name>n</name>" + liveUUID + "<forward mode='passthrough'><interface dev='" + strings.Join(devs, "'/><interface dev='") + "'/></forward></network>"
	}
	limited := func(inbound string) string {
		return liveDoc("<bridge name='virbr7'/><bandwidth>" + inbound + "</bandwidth>")
	}
	for _, tt := range []struct {
		name, doc, port string
		good, bad       string // what it may be changed to, and not
		text            string
	}{
		{"a device of the pool", pool("dummy1", "dummy2"), "", pool("dummy3", "dummy1"), pool("dummy2", "dummy3"), "unable to delete interface 'dummy1' in network 'n'"},
		{"a guaranteed rate", limited("<inbound average='2000'/>"), "<bandwidth><inbound average='100' floor='500'/></bandwidth>",
			limited("<inbound average='500'/>"), limited("<inbound average='499'/>"), "guaranteed: 499 of 500"},
		{"a guaranteed rate, without limit", limited("<inbound average='2000'/>"), "<bandwidth><inbound average='100' floor='500'/></bandwidth>",
			limited("<inbound average='400' peak='500'/>"), limited(""), "guaranteed: 0 of 500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			ref := s.mustStart(tt.doc)
			s.mustPort(ref.UUID, portDoc(1, "vm", portMAC, tt.port))
			if _, err := s.DefineLive(t.Context(), []byte(tt.good), false); err != nil {
				t.Errorf("allowed: %v", err)
			}
			live, config := s.xmls(ref.UUID)
			_, err := s.DefineLive(t.Context(), []byte(tt.bad), false)
			if !errors.Is(err, ErrOperationInvalid) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
			liveAfter, configAfter := s.xmls(ref.UUID)
			if diff := cmp.Diff(live+config, liveAfter+configAfter); diff != "" {
				t.Errorf("changed (-before +after):\n%s", diff)
			}
		})
	}
	s := newSite(t)
	ref := s.mustStart(pool("dummy1", "dummy2"))
	s.mustPort(ref.UUID, portDoc(1, "vm", portMAC, ""))
	remove := func(dev string) error {
		return s.Update(t.Context(), ref.UUID, xmlnet.Update{Command: xmlnet.Delete, Section: xmlnet.SectionForwardInterface, XML: []byte("<interface dev='" + dev + "'/>")}, AffectLive)
	}
	if err := remove("dummy1"); err == nil || !strings.Contains(err.Error(), "It is currently being used by 1 domains") {
		t.Errorf("a device in use was deleted: %v", err)
	}
	if err := remove("dummy2"); err != nil {
		t.Errorf("an unused device: %v", err)
	}
}

func TestLiveChangesReachFirewalldAndTheHostsResolver(t *testing.T) {
	s, bus := newSiteWithBus(t)
	fw := bus.Firewalld(t, []string{"libvirt", "libvirt-routed", "work"}, []string{"libvirt-routed-out"})
	r := bus.Resolved(t)
	doc := func(mode, zone, domain string) string {
		return liveDoc("<forward mode='" + mode + "'/><bridge name='virbr7'" + zone + "/>" + domain + "<ip address='10.7.0.1' prefix='24'/>")
	}
	registered := "<domain name='lab.test' localOnly='yes' register='yes'/>"
	s.mustStart(doc("nat", "", ""))
	for _, tt := range []struct {
		doc, zone, domain, refusal string
	}{
		{doc("nat", " zone='work'", ""), "work", "", ""},
		{doc("route", "", registered), "libvirt-routed", "~lab.test ~0.7.10.in-addr.arpa 2/10.7.0.1 ", ""},
		{doc("route", " zone='nowhere'", ""), "libvirt-routed", "~lab.test ~0.7.10.in-addr.arpa 2/10.7.0.1 ", "INVALID_ZONE"},
		{doc("nat", "", strings.Replace(registered, "lab", "b", 1)), "libvirt", "~b.test ~0.7.10.in-addr.arpa 2/10.7.0.1 ", ""},
		{doc("open", "", ""), "", "", ""},
		{doc("open", " zone='work'", registered), "work", "~lab.test ~0.7.10.in-addr.arpa 2/10.7.0.1 ", ""},
	} {
		_, err := s.DefineLive(t.Context(), []byte(tt.doc), false)
		if tt.refusal == "" && err != nil || tt.refusal != "" && (err == nil || !strings.Contains(err.Error(), tt.refusal)) {
			t.Errorf("%s\ngot %v, want %q", tt.doc, err, tt.refusal)
		}
		if got := fw.Links()["virbr7"]; got != tt.zone {
			t.Errorf("%s\nin zone %q, want %q", tt.doc, got, tt.zone)
		}
		got := ""
		for _, what := range r.Links() {
			got += what
		}
		if got != tt.domain {
			t.Errorf("%s\nregistered %q, want %q", tt.doc, got, tt.domain)
		}
	}
}
