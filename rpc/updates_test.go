package rpc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// The networks that are updated: each may have nearly everything.
const (
	updatedNAT = `<network><name>u</name><uuid>5d8e3f6a-0b1c-4d2e-9f30-0000000000bb</uuid><forward mode='nat' dev='wan0'/>
<bridge name='virbr9'/><mac address='52:54:00:99:00:01'/><dns><txt name='t1' value='v'/><srv service='s1' protocol='tcp'/><host ip='192.168.99.7'><hostname>h1</hostname></host></dns>
<ip address='192.168.99.1' netmask='255.255.255.0'><dhcp><range start='192.168.99.100' end='192.168.99.110'/><host mac='52:54:00:00:00:01' name='a1' ip='192.168.99.11'/></dhcp></ip>
<ip family='ipv6' address='fd00:99::1' prefix='64'/><portgroup name='p1'/></network>`
	updatedPool = `<network><name>u</name><uuid>5d8e3f6a-0b1c-4d2e-9f30-0000000000bb</uuid><forward mode='vepa'><interface dev='d1'/><interface dev='d3'/></forward><portgroup name='p1'/></network>`
)

// section is one that net-update changes: what is there, what is new, and what
// both show in the network's XML.
type section struct {
	number           uint32
	doc              string // the network
	there, fresh     string
	changed          string // there, with another content
	shows, showsMore string // what there and fresh show in XML
	noModify         bool
	indexed          bool
}

var sections = map[string]section{
	"ip-dhcp-host": {4, updatedNAT, `<host mac='52:54:00:00:00:01' name='a1' ip='192.168.99.11'/>`, `<host mac='52:54:00:00:00:02' name='a2' ip='192.168.99.12'/>`,
		`<host mac='52:54:00:00:00:01' name='a1' ip='192.168.99.12'/>`, "192.168.99.11'", "192.168.99.12'", false, true},
	"ip-dhcp-range": {5, updatedNAT, `<range start='192.168.99.100' end='192.168.99.110'/>`, `<range start='192.168.99.200' end='192.168.99.210'/>`,
		`<range start='192.168.99.100' end='192.168.99.110'/>`, "start='192.168.99.100'", "start='192.168.99.200'", true, true},
	"forward-interface": {7, updatedPool, `<interface dev='d1'/>`, `<interface dev='d2'/>`, `<interface dev='d1'/>`, "'d1'", "'d2'", true, false},
	"portgroup":         {9, updatedPool, `<portgroup name='p1'/>`, `<portgroup name='p2'/>`, `<portgroup name='p1' trustGuestRxFilters='yes'/>`, "'p1'", "'p2'", false, false},
	"portgroup of nat":  {9, updatedNAT, `<portgroup name='p1'/>`, `<portgroup name='p2'/>`, `<portgroup name='p1' trustGuestRxFilters='yes'/>`, "'p1'", "'p2'", false, false},
	"dns-host": {10, updatedNAT, `<host ip='192.168.99.7'><hostname>h1</hostname></host>`, `<host ip='192.168.99.8'><hostname>h2</hostname></host>`,
		`<host ip='192.168.99.7'><hostname>h2</hostname></host>`, "<hostname>h1<", "<hostname>h2<", false, false},
	"dns-txt": {11, updatedNAT, `<txt name='t1' value='v'/>`, `<txt name='t2' value='v'/>`, `<txt name='t1' value='t2'/>`, "name='t1'", "'t2'", false, false},
	"dns-srv": {12, updatedNAT, `<srv service='s1' protocol='tcp'/>`, `<srv service='s2' protocol='tcp'/>`, `<srv service='s1' protocol='tcp'/>`, "'s1'", "'s2'", true, false},
}

const (
	modify = iota + 1
	erase
	addLast
	addFirst
)

// attempt is one call, and libvirt's code for it.
type attempt struct {
	name    string
	command uint32
	xml     string
	index   int32
	code    wire.Code
	gone    bool // what was there is there no more
	new     bool // what is new is there
}

// attempts are all that is tried of a section.
func (s section) attempts() []attempt {
	change := attempt{"modify", modify, s.changed, -1, 0, s.number == 4 || s.number == 10, s.number != 9}
	missing := attempt{"modify of a missing one", modify, s.fresh, -1, 55, false, false}
	if s.noModify {
		change = attempt{"modify", modify, s.there, -1, 84, false, false}
		missing.code = 84
	}
	all := []attempt{
		change, missing,
		{"delete", erase, s.there, -1, 0, true, false},
		{"delete of a missing one", erase, s.fresh, -1, 55, false, false},
		{"add last", addLast, s.fresh, -1, 0, false, true},
		{"add first", addFirst, s.fresh, -1, 0, false, true},
		{"add last of one that is there", addLast, s.there, -1, 55, false, false},
		{"add first of one that is there", addFirst, s.there, -1, 55, false, false},
		{"command 0", 0, s.fresh, -1, 84, false, false},
		{"command 5", 5, s.fresh, -1, 84, false, false},
		{"another element", addLast, "<other/>", -1, 27, false, false},
		{"no XML", addLast, "<", -1, 35, false, false},
	}
	if s.indexed {
		six := wire.Code(1) // another family than the range's
		if s.number == 4 {
			six = 27 // a MAC address in IPv6
		}
		all = append(all,
			attempt{"index 0", addLast, s.fresh, 0, 0, false, true},
			attempt{"index of the IPv6 ip", addLast, s.fresh, 1, six, false, false},
			attempt{"index that is none", addLast, s.fresh, 9, 55, false, false},
			attempt{"delete, index 0", erase, s.there, 0, 0, true, false},
			attempt{"delete, index that is none", erase, s.there, 9, 55, false, false})
	}
	return all
}

// Every section, command, parent index and flag through NETWORK_UPDATE, on an
// active network: made where the flags say, or refused with libvirt's code and
// nothing changed.
func TestEveryUpdateOfAnActiveNetwork(t *testing.T) {
	calls := 0
	for name, s := range sections {
		t.Run(name, func(t *testing.T) {
			h := newRealHost(t)
			n := h.define(s.doc)
			h.must(wire.NetworkCreate, n)
			live, config := h.xml(n, 0), h.xml(n, wire.XMLInactive)
			for _, a := range s.attempts() {
				for _, flags := range []uint32{0, wire.AffectLive, wire.AffectConfig, wire.AffectLive | wire.AffectConfig, 4} {
					h.attempt(t, n, s, a, flags)
					calls++
					if h.xml(n, 0) == live && h.xml(n, wire.XMLInactive) == config {
						continue
					}
					if _, err := h.m.DefineLive(t.Context(), []byte(s.doc), false); err != nil {
						t.Fatal(err)
					}
				}
			}
			h.must(wire.NetworkDestroy, n)
		})
	}
	t.Logf("%d calls", calls)
}

func (h *realHost) attempt(t *testing.T, n wire.Network, s section, a attempt, flags uint32) {
	t.Helper()
	want := a.code
	if flags == 4 {
		want = 8
	}
	before := [2]string{h.xml(n, 0), h.xml(n, wire.XMLInactive)}
	code, text := h.code(wire.NetworkUpdate, wire.UpdateArgs{Network: n, Command: a.command, Section: s.number, ParentIndex: a.index, XML: a.xml, Flags: flags})
	what := fmt.Sprintf("%s, flags %d", a.name, flags)
	if code != want {
		t.Errorf("%s: code %d (%s), want %d", what, code, text, want)
	}
	for i, affected := range []bool{flags != wire.AffectConfig, flags&wire.AffectConfig != 0} {
		now := h.xml(n, uint32(i))
		if !affected || code != 0 {
			if now != before[i] {
				t.Errorf("%s: definition %d changed:\n%s", what, i, now)
			}
			continue
		}
		if gone, fresh := !strings.Contains(now, s.shows), strings.Contains(now, s.showsMore); gone != a.gone || fresh != a.new {
			t.Errorf("%s: definition %d: gone %v, new %v:\n%s", what, i, gone, fresh, now)
		}
	}
}

// Sections that cannot be updated, and numbers that are none.
func TestSectionsThatCannotBeUpdated(t *testing.T) {
	h := newRealHost(t)
	n := h.define(updatedNAT)
	h.must(wire.NetworkCreate, n)
	for number, xml := range map[uint32]string{
		0: "<x/>", 1: "<bridge name='x'/>", 2: "<domain name='x'/>", 3: "<ip address='10.0.0.1'/>", 6: "<forward mode='route'/>", 8: "<pf dev='x'/>", 13: "<x/>", 99: "<x/>",
	} {
		for command := uint32(0); command <= 5; command++ {
			code, text := h.code(wire.NetworkUpdate, wire.UpdateArgs{Network: n, Command: command, Section: number, ParentIndex: -1, XML: xml})
			want(t, fmt.Sprintf("section %d, command %d", number, command), "84", code, text)
		}
	}
	// A second device, where there can be one only.
	code, text := h.code(wire.NetworkUpdate, wire.UpdateArgs{Network: n, Command: addLast, Section: 7, ParentIndex: -1, XML: "<interface dev='wan1'/>"})
	want(t, "second device of nat", "27", code, text)
}

func TestFlagsThatANetworkDoesNotHave(t *testing.T) {
	h := newRealHost(t)
	n := h.define(updatedNAT)
	update := func(flags uint32) wire.UpdateArgs {
		return wire.UpdateArgs{Network: n, Command: addLast, Section: 11, ParentIndex: -1, XML: "<txt name='t2' value='v'/>", Flags: flags}
	}
	for _, flags := range []uint32{wire.AffectLive, wire.AffectLive | wire.AffectConfig} {
		code, text := h.code(wire.NetworkUpdate, update(flags))
		want(t, "live of inactive", "55", code, text)
	}
	h.must(wire.NetworkCreate, n)
	h.must(wire.NetworkUndefine, n)
	for _, flags := range []uint32{wire.AffectConfig, wire.AffectLive | wire.AffectConfig} {
		code, text := h.code(wire.NetworkUpdate, update(flags))
		want(t, "config of transient", "55", code, text)
	}
	h.must(wire.NetworkUpdate, update(0))
}

func TestUpdatedNetworkLeavesNothingWhenDestroyed(t *testing.T) {
	h := newRealHost(t)
	n := h.define(updatedNAT)
	before := h.ns.Run(t, "nft list ruleset; ip -o link; ip -o addr; ss -Hlnuatw")
	h.must(wire.NetworkCreate, n)
	for name, s := range sections {
		if s.doc == updatedNAT && name != "portgroup of nat" {
			h.must(wire.NetworkUpdate, wire.UpdateArgs{Network: n, Command: addLast, Section: s.number, ParentIndex: -1, XML: s.fresh, Flags: wire.AffectLive})
		}
	}
	h.must(wire.NetworkDestroy, n)
	if after := h.ns.Run(t, "nft list ruleset; ip -o link; ip -o addr; ss -Hlnuatw"); after != before {
		t.Errorf("left:\n%s", after)
	}
}
