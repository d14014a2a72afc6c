package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// The networks of the call tables.
var (
	idle      = wire.Network{Name: "idle", UUID: wire.UUID(id(1))}
	up        = wire.Network{Name: "up", UUID: wire.UUID(id(2))}
	transient = wire.Network{Name: "transient", UUID: wire.UUID(id(3))}
	direct    = wire.Network{Name: "direct", UUID: wire.UUID(id(4))}
	gone      = wire.Network{Name: "gone", UUID: wire.UUID{1}}
)

var macA, macB = net.HardwareAddr{0x52, 0x54, 0, 0, 0, 0xa}, net.HardwareAddr{0x52, 0x54, 0, 0, 0, 0xb}

// fourNetworks is one network in each state that matters.
func fourNetworks() *memory {
	m := newMemory("idle", "up", "transient", "direct")
	n := m.networks[id(2)]
	n.Active, n.Autostart = true, true
	n.leases = []network.Lease{
		{Link: "virbr1", PrefixLen: 24, Lease: lease.Lease{
			Addr: netip.MustParseAddr("192.168.122.2"), MAC: macA, Hostname: "a", ClientID: []byte{1, 0x52, 0x54, 0, 0, 0, 0xa}, Expiry: time.Unix(1700000000, 999),
		}},
		{Link: "virbr1", PrefixLen: 64, Lease: lease.Lease{
			Addr: netip.MustParseAddr("fd00::2"), MAC: macB, IAID: 4000000000, ClientID: []byte{0, 1},
		}},
	}
	m.networks[id(3)].Active, m.networks[id(3)].Persistent = true, false
	m.networks[id(4)].Bridge = ""
	return m
}

// refusal is an error reply in the form most have: prefix, detail, no numbers.
func refusal(from wire.Domain, code wire.Code, prefix, detail string) wire.Error {
	return wire.Error{Code: code, Domain: from, Message: ptr(prefix + detail), Level: 2,
		Str1: ptr(prefix + "%1$s"), Str2: &detail, Int1: -1, Int2: -1}
}

func badFlags(flags, function string) wire.Error {
	return wire.Error{Code: 8, Domain: 19, Message: ptr("unsupported flags (" + flags + ") in function " + function), Level: 2,
		Str1: &function, Str2: ptr("flags")}
}

func invalidOp(detail string) wire.Error {
	return refusal(19, 55, "Requested operation is not valid: ", detail)
}

func noNetwork(detail string) wire.Error { return refusal(19, 43, "Network not found: ", detail) }

func readOnly(function string) wire.Error {
	return refusal(19, 29, "operation forbidden: ", "read only access prevents "+function)
}

func notOpen(what string) wire.Error {
	return refusal(7, 1, "internal error: ", what+"connection not open")
}

const goneUUID = "01000000-0000-0000-0000-000000000000"

// call is one row: want is a result, or a wire.Error.
type call struct {
	name string
	proc wire.Proc
	args any
	want any
}

// check makes the call and compares.
func (tt call) check(t *testing.T, p *peer) {
	t.Helper()
	f := p.call(tt.proc, tt.args)
	if want, ok := tt.want.(wire.Error); ok {
		if diff := cmp.Diff(want, *failureOf(t, f)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		return
	}
	if f.Status != wire.OK {
		t.Fatal(failureOf(t, f))
	}
	got := reflect.New(reflect.TypeOf(tt.want))
	if err := wire.Unmarshal(f.Payload, got.Interface()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tt.want, got.Elem().Interface()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func lookupCalls() []call {
	return []call{
		{"lookup by name", wire.NetworkLookupByName, "up", up},
		{"lookup of an unknown name", wire.NetworkLookupByName, "x", noNetwork("no network with matching name 'x'")},
		{"lookup of no name", wire.NetworkLookupByName, "", noNetwork("no network with matching name ''")},
		{"lookup by uuid", wire.NetworkLookupByUUID, up.UUID, up},
		{"lookup of an unknown uuid", wire.NetworkLookupByUUID, gone.UUID, noNetwork("no network with matching uuid '" + goneUUID + "'")},
		{"the name of a reference does not matter", wire.NetworkIsActive, wire.Network{Name: "other", UUID: up.UUID}, int32(1)},
		{"inactive", wire.NetworkIsActive, idle, int32(0)},
		{"persistent", wire.NetworkIsPersistent, idle, int32(1)},
		{"transient", wire.NetworkIsPersistent, transient, int32(0)},
		{"autostart", wire.NetworkGetAutostart, up, int32(1)},
		{"no autostart", wire.NetworkGetAutostart, idle, int32(0)},
		{"bridge", wire.NetworkGetBridgeName, up, "virbr1"},
		{"no bridge", wire.NetworkGetBridgeName, direct, refusal(19, 1, "internal error: ", "network 'direct' does not have a bridge name.")},
		{"xml", wire.NetworkGetXMLDesc, wire.GetXMLArgs{Network: up},
			"<network connections='1'>\n  <name>up</name>\n  <uuid>aa000000-0000-0000-0000-000000000002</uuid>\n</network>\n"},
		{"inactive xml", wire.NetworkGetXMLDesc, wire.GetXMLArgs{Network: up, Flags: 1},
			"<network>\n  <name>up</name>\n  <uuid>aa000000-0000-0000-0000-000000000002</uuid>\n</network>\n"},
		{"xml flags", wire.NetworkGetXMLDesc, wire.GetXMLArgs{Network: gone, Flags: 7}, badFlags("0x6", "networkGetXMLDesc")},
	}
}

func goneCalls() []call {
	var calls []call
	for proc, args := range map[wire.Proc]any{
		wire.NetworkCreate:        gone,
		wire.NetworkDestroy:       gone,
		wire.NetworkUndefine:      gone,
		wire.NetworkGetAutostart:  gone,
		wire.NetworkGetBridgeName: gone,
		wire.NetworkIsActive:      gone,
		wire.NetworkIsPersistent:  gone,
		wire.NetworkGetXMLDesc:    wire.GetXMLArgs{Network: gone},
		wire.NetworkSetAutostart:  wire.SetAutostartArgs{Network: gone},
		wire.NetworkGetDHCPLeases: wire.GetLeasesArgs{Network: gone},
	} {
		calls = append(calls, call{proc.String(), proc, args, noNetwork("no network with matching uuid '" + goneUUID + "' (gone)")})
	}
	return calls
}

func listCalls() []call {
	tooMany := refusal(7, 39, "", "maxnames > REMOTE_NETWORK_LIST_MAX")
	negative := refusal(7, 39, "", "maxnames must be non-negative")
	all := func(flags uint32, want ...wire.Network) call {
		return call{fmt.Sprintf("list all %#x", flags), wire.ConnectListAllNetworks, wire.ListAllArgs{NeedResults: 1, Flags: flags},
			wire.ListAllRet{Networks: want, Count: uint32(len(want))}}
	}
	return []call{
		all(0, direct, idle, transient, up),
		all(wire.ListInactive, direct, idle),
		all(wire.ListActive, transient, up),
		all(wire.ListActive|wire.ListInactive, direct, idle, transient, up),
		all(wire.ListPersistent, direct, idle, up),
		all(wire.ListTransient, transient),
		all(wire.ListAutostart, up),
		all(wire.ListNoAutostart, direct, idle, transient),
		all(wire.ListActive|wire.ListPersistent, up),
		all(wire.ListInactive | wire.ListAutostart),
		{"list all, count only", wire.ConnectListAllNetworks, wire.ListAllArgs{Flags: wire.ListActive}, wire.ListAllRet{Count: 2}},
		{"list all flags", wire.ConnectListAllNetworks, wire.ListAllArgs{Flags: 0x141}, badFlags("0x140", "networkConnectListAllNetworks")},
		{"active", wire.ConnectListNetworks, int32(16384), wire.ListNamesRet{Names: []string{"transient", "up"}}},
		{"one active", wire.ConnectListNetworks, int32(1), wire.ListNamesRet{Names: []string{"transient"}}},
		{"no active", wire.ConnectListNetworks, int32(0), wire.ListNamesRet{}},
		{"too many active", wire.ConnectListNetworks, int32(16385), tooMany},
		{"negative active", wire.ConnectListNetworks, int32(-1), negative},
		{"defined", wire.ConnectListDefinedNetworks, int32(5), wire.ListNamesRet{Names: []string{"direct", "idle"}}},
		{"too many defined", wire.ConnectListDefinedNetworks, int32(16385), tooMany},
		{"negative defined", wire.ConnectListDefinedNetworks, int32(-1), negative},
		{"count active", wire.ConnectNumOfNetworks, nil, int32(2)},
		{"count defined", wire.ConnectNumOfDefinedNetworks, nil, int32(2)},
	}
}

func leaseCalls() []call {
	badMAC := func(mac string) wire.Error { return refusal(19, 44, "invalid MAC address: ", mac) }
	v4 := wire.Lease{Link: "virbr1", Expiry: 1700000000, MAC: ptr("52:54:00:00:00:0a"), Addr: "192.168.122.2", Prefix: 24,
		Hostname: ptr("a"), ClientID: ptr("01:52:54:00:00:00:0a")}
	v6 := wire.Lease{Link: "virbr1", Type: 1, MAC: ptr("52:54:00:00:00:0b"), IAID: ptr("4000000000"), Addr: "fd00::2", Prefix: 64, ClientID: ptr("00:01")}
	return []call{
		{"leases", wire.NetworkGetDHCPLeases, wire.GetLeasesArgs{Network: up, NeedResults: 1}, wire.GetLeasesRet{Leases: []wire.Lease{v4, v6}, Count: 2}},
		{"leases, count only", wire.NetworkGetDHCPLeases, wire.GetLeasesArgs{Network: up}, wire.GetLeasesRet{Count: 2}},
		{"leases of a mac", wire.NetworkGetDHCPLeases, wire.GetLeasesArgs{Network: up, NeedResults: 1, MAC: ptr("52:54:00:00:00:0A")},
			wire.GetLeasesRet{Leases: []wire.Lease{v4}, Count: 1}},
		{"leases of an unknown mac", wire.NetworkGetDHCPLeases, wire.GetLeasesArgs{Network: up, NeedResults: 1, MAC: ptr("52:54:00:00:00:0c")}, wire.GetLeasesRet{}},
		{"leases of an inactive network", wire.NetworkGetDHCPLeases, wire.GetLeasesArgs{Network: idle, NeedResults: 1}, wire.GetLeasesRet{}},
		{"leases of a bad mac", wire.NetworkGetDHCPLeases, wire.GetLeasesArgs{Network: up, MAC: ptr("zz")}, badMAC("zz")},
		{"leases of an empty mac", wire.NetworkGetDHCPLeases, wire.GetLeasesArgs{Network: up, MAC: ptr("")}, badMAC("")},
		{"leases flags", wire.NetworkGetDHCPLeases, wire.GetLeasesArgs{Network: gone, Flags: 1}, badFlags("0x1", "networkGetDHCPLeases")},
	}
}

func connectCalls() []call {
	none := func(function string) wire.Error {
		return refusal(20, 3, "this function is not supported by the connection driver: ", function)
	}
	identity := func(field string, value any) wire.SetIdentityArgs {
		return wire.SetIdentityArgs{Params: []wire.TypedParam{{Field: field, Value: value}}}
	}
	calls := []call{
		{"open twice", wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)}, refusal(7, 1, "internal error: ", "connection already open")},
		{"type", wire.ConnectGetType, nil, "network"},
		{"version", wire.ConnectGetVersion, nil, none("virConnectGetVersion")},
		{"hostname", wire.ConnectGetHostname, nil, none("virConnectGetHostname")},
		{"capabilities", wire.ConnectGetCapabilities, nil, none("virConnectGetCapabilities")},
		{"domains", wire.ConnectListDomains, int32(5), none("virConnectListDomains")},
		{"number of domains", wire.ConnectNumOfDomains, nil, none("virConnectNumOfDomains")},
		{"uri", wire.ConnectGetURI, nil, "network:///system"},
		{"secure", wire.ConnectIsSecure, nil, int32(1)},
		{"libvirt version", wire.ConnectGetLibVersion, nil, uint64(11003000)},
		{"close callback", wire.ConnectRegisterCloseCallback, nil, wire.Empty{}},
		{"no close callback", wire.ConnectUnregisterCloseCallback, nil, wire.Empty{}},
		{"identity", wire.ConnectSetIdentity, wire.SetIdentityArgs{Params: []wire.TypedParam{
			{Field: "user-name", Value: "root"}, {Field: "unix-user-id", Value: uint64(0)},
			{Field: "group-name", Value: "root"}, {Field: "unix-group-id", Value: uint64(0)},
			{Field: "process-id", Value: int64(17)}, {Field: "process-time", Value: uint64(99)},
			{Field: "system.token", Value: "00112233445566778899aabbccddeeff"},
		}}, wire.Empty{}},
		{"identity with an unknown key", wire.ConnectSetIdentity, identity("x", "y"), refusal(0, 74, "argument unsupported: ", "parameter 'x' not supported")},
		{"identity of another type", wire.ConnectSetIdentity, identity("user-name", int32(3)),
			refusal(0, 8, "invalid argument: ", "invalid type 'int' for parameter 'user-name', expected 'string'")},
		{"unknown event", wire.NetworkEventRegisterAny, wire.EventRegisterArgs{EventID: 2}, refusal(7, 1, "internal error: ", "unsupported network event ID 2")},
		{"negative event", wire.NetworkEventRegisterAny, wire.EventRegisterArgs{EventID: -1}, refusal(7, 1, "internal error: ", "unsupported network event ID -1")},
		{"unknown callback", wire.NetworkEventDeregisterAny, int32(99), refusal(7, 1, "internal error: ", "network event callback 99 not registered")},
		{"an unknown procedure", wire.Proc(0xfffffff0), nil, refusal(7, 39, "", "unknown procedure: -16")},
		{"no arguments", wire.NetworkLookupByName, nil, refusal(7, 39, "", "Unable to decode message payload")},
		{"arguments too long", wire.NetworkLookupByUUID, [32]byte{}, refusal(7, 39, "", "Unable to decode message payload")},
	}
	for feature := range int32(20) {
		want := number(feature == 8 || feature == 9 || feature == 10 || feature == 14 || feature == 15 || feature == 16)
		calls = append(calls, call{fmt.Sprint("feature ", feature), wire.ConnectSupportsFeature, feature, want})
	}
	return calls
}

// TestQuestionsAreAnswered makes every call that changes nothing, on
// connections of each kind.
func TestQuestionsAreAnswered(t *testing.T) {
	s := serve(t, fourNetworks(), Options{})
	calls := append(connectCalls(), lookupCalls()...)
	calls = append(append(calls, listCalls()...), leaseCalls()...)
	for kind, path := range map[string]string{"read-write": s.rw, "read-only": s.ro} {
		p := connectOpen(t, path)
		for _, tt := range calls {
			t.Run(kind+"/"+tt.name, func(t *testing.T) { tt.check(t, p) })
		}
	}
}

func TestVanishedNetworkIsNamedAsTheClientDoes(t *testing.T) {
	p := connectOpen(t, serve(t, fourNetworks(), Options{}).rw)
	for _, tt := range goneCalls() {
		t.Run(tt.name, func(t *testing.T) { tt.check(t, p) })
	}
}

// TestChangesAreMadeOrRefused walks through changes in order.
func TestChangesAreMadeOrRefused(t *testing.T) {
	p := connectOpen(t, serve(t, fourNetworks(), Options{}).rw)
	schema := refusal(19, 92, "XML document failed to validate against schema: ", "bogus")
	noName := wire.Error{Code: 21, Domain: 19, Message: ptr("missing name information"), Level: 2,
		Str1: ptr("missing name information"), Int1: -1, Int2: -1}
	clash := refusal(19, 9, "operation failed: ", "network 'up' already exists with uuid aa000000-0000-0000-0000-000000000002")
	for _, tt := range []call{
		{"destroy inactive", wire.NetworkDestroy, idle, invalidOp("network 'idle' is not active")},
		{"start", wire.NetworkCreate, idle, wire.Empty{}},
		{"start active", wire.NetworkCreate, idle, invalidOp("network is already active")},
		{"is active", wire.NetworkIsActive, idle, int32(1)},
		{"destroy", wire.NetworkDestroy, idle, wire.Empty{}},
		{"is inactive", wire.NetworkIsActive, idle, int32(0)},
		{"set autostart", wire.NetworkSetAutostart, wire.SetAutostartArgs{Network: idle, Autostart: 1}, wire.Empty{}},
		{"autostart", wire.NetworkGetAutostart, idle, int32(1)},
		{"clear autostart", wire.NetworkSetAutostart, wire.SetAutostartArgs{Network: idle}, wire.Empty{}},
		{"no autostart", wire.NetworkGetAutostart, idle, int32(0)},
		{"autostart transient", wire.NetworkSetAutostart, wire.SetAutostartArgs{Network: transient, Autostart: 1},
			invalidOp("cannot set autostart for transient network")},
		{"undefine transient", wire.NetworkUndefine, transient, invalidOp("can't undefine transient network")},
		{"undefine", wire.NetworkUndefine, idle, wire.Empty{}},
		{"undefine again", wire.NetworkUndefine, idle,
			noNetwork("no network with matching uuid 'aa000000-0000-0000-0000-000000000001' (idle)")},
		{"define without name", wire.NetworkDefineXML, "<network/>", noName},
		{"define clash", wire.NetworkDefineXML, "<network><name>up</name></network>", clash},
		{"create clash", wire.NetworkCreateXML, "<network><name>up</name></network>", clash},
		{"define validated", wire.NetworkDefineXMLFlags, wire.XMLFlagsArgs{XML: "<name>v</name><bogus/>", Flags: 1}, schema},
		{"create validated", wire.NetworkCreateXMLFlags, wire.XMLFlagsArgs{XML: "<name>v</name><bogus/>", Flags: 1}, schema},
		{"define flags", wire.NetworkDefineXMLFlags, wire.XMLFlagsArgs{Flags: 2}, badFlags("0x2", "networkDefineXMLFlags")},
		{"create flags", wire.NetworkCreateXMLFlags, wire.XMLFlagsArgs{Flags: 3}, badFlags("0x2", "networkCreateXMLFlags")},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(t, p) })
	}
}

func TestDefinedAndCreatedNetworksAreReturned(t *testing.T) {
	p := connectOpen(t, serve(t, newMemory(), Options{}).rw)
	for name, tt := range map[string]struct {
		proc   wire.Proc
		args   any
		active int32
	}{
		"a": {wire.NetworkDefineXML, "<name>a</name>", 0},
		"b": {wire.NetworkDefineXMLFlags, wire.XMLFlagsArgs{XML: "<name>b</name><bogus/>"}, 0},
		"c": {wire.NetworkCreateXML, "<name>c</name>", 1},
		"d": {wire.NetworkCreateXMLFlags, wire.XMLFlagsArgs{XML: "<name>d</name><bogus/>"}, 1},
	} {
		var got wire.Network
		if err := wire.Unmarshal(p.must(tt.proc, tt.args), &got); err != nil {
			t.Fatal(err)
		}
		if got.Name != name {
			t.Errorf("%v returned %+v", tt.proc, got)
		}
		call{"active", wire.NetworkIsActive, got, tt.active}.check(t, p)
		call{"persistent", wire.NetworkIsPersistent, got, 1 - tt.active}.check(t, p)
	}
}

func TestReadOnlyConnectionChangesNothing(t *testing.T) {
	s := serve(t, fourNetworks(), Options{})
	flagged := connect(t, s.rw)
	flagged.must(wire.AuthList, nil)
	flagged.must(wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI), Flags: wire.OpenReadOnly | 0x40})
	for kind, p := range map[string]*peer{"socket": connectOpen(t, s.ro), "flag": flagged} {
		for _, tt := range []call{
			{"start", wire.NetworkCreate, idle, readOnly("virNetworkCreate")},
			{"destroy", wire.NetworkDestroy, gone, readOnly("virNetworkDestroy")},
			{"undefine", wire.NetworkUndefine, up, readOnly("virNetworkUndefine")},
			{"autostart", wire.NetworkSetAutostart, wire.SetAutostartArgs{Network: idle}, readOnly("virNetworkSetAutostart")},
			{"define", wire.NetworkDefineXML, "x", readOnly("virNetworkDefineXML")},
			{"create", wire.NetworkCreateXML, "x", readOnly("virNetworkCreateXML")},
			{"define flags", wire.NetworkDefineXMLFlags, wire.XMLFlagsArgs{Flags: 8}, readOnly("virNetworkDefineXMLFlags")},
			{"create flags", wire.NetworkCreateXMLFlags, wire.XMLFlagsArgs{Flags: 8}, readOnly("virNetworkCreateXMLFlags")},
			{"still active", wire.NetworkIsActive, up, int32(1)},
		} {
			t.Run(kind+"/"+tt.name, func(t *testing.T) { tt.check(t, p) })
		}
	}
}

func TestCallsBeforeAuthenticationAreRefused(t *testing.T) {
	p := connect(t, serve(t, newMemory(), Options{}).rw)
	required := refusal(7, 39, "", "authentication required")
	for _, tt := range []call{
		{"open", wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)}, required},
		{"feature", wire.ConnectSupportsFeature, int32(10), required},
		{"undecodable", wire.NetworkLookupByName, nil, required},
		{"unknown", wire.Proc(9999), nil, refusal(7, 39, "", "unknown procedure: 9999")},
		{"then authentication", wire.AuthList, nil, []int32{0}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(t, p) })
	}
}

func TestCallsBeforeOpenAreRefused(t *testing.T) {
	p := connect(t, serve(t, newMemory(), Options{}).rw)
	p.must(wire.AuthList, nil)
	for _, tt := range []call{
		{"keepalive", wire.ConnectSupportsFeature, int32(10), int32(1)},
		{"other features", wire.ConnectSupportsFeature, int32(14), notOpen("hypervisor ")},
		{"type", wire.ConnectGetType, nil, notOpen("hypervisor ")},
		{"version", wire.ConnectGetVersion, nil, notOpen("hypervisor ")},
		{"close callback", wire.ConnectRegisterCloseCallback, nil, notOpen("hypervisor ")},
		{"identity", wire.ConnectSetIdentity, wire.SetIdentityArgs{}, notOpen("hypervisor ")},
		{"lookup", wire.NetworkLookupByName, "x", notOpen("")},
		{"define", wire.NetworkDefineXML, "x", notOpen("")},
		{"event", wire.NetworkEventRegisterAny, wire.EventRegisterArgs{}, notOpen("")},
		{"undecodable", wire.NetworkLookupByName, nil, refusal(7, 39, "", "Unable to decode message payload")},
		{"close", wire.ConnectClose, nil, wire.Empty{}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(t, p) })
	}
	p.gone()
}

func TestOnlyTheSystemURIOpens(t *testing.T) {
	s := serve(t, newMemory(), Options{})
	noDriver := func(uri string) wire.Error { return refusal(0, 5, "no connection driver available for ", uri) }
	badPath := func(path string) wire.Error {
		return refusal(0, 1, "internal error: ", "unexpected network URI path '"+path+"', try network:///system")
	}
	for _, tt := range []struct {
		uri  *string
		want any
	}{
		{ptr("network:///system"), wire.Empty{}},
		{ptr("network:///system?socket=/x"), wire.Empty{}},
		{nil, noDriver("<null>")},
		{ptr(""), noDriver("<null>")},
		{ptr("qemu:///system"), noDriver("qemu:///system")},
		{ptr("network://host/system"), noDriver("network://host/system")},
		{ptr("network:///session"), badPath("/session")},
		{ptr("network:///"), badPath("/")},
		{ptr("network:"), badPath("")},
		{ptr("::::"), refusal(45, 1, "internal error: ", "Unable to parse URI ::::")},
	} {
		p := connect(t, s.rw)
		p.must(wire.AuthList, nil)
		call{"open", wire.ConnectOpen, wire.OpenArgs{URI: tt.uri}, tt.want}.check(t, p)
	}
}

func TestRefusedOpenMayBeTriedAgain(t *testing.T) {
	p := connect(t, serve(t, newMemory(), Options{}).rw)
	p.must(wire.AuthList, nil)
	failureOf(t, p.call(wire.ConnectOpen, wire.OpenArgs{}))
	p.must(wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)})
}

func TestFaultyHeadersAreAnswered(t *testing.T) {
	p := connectOpen(t, serve(t, newMemory("default"), Options{}).rw)
	for name, tt := range map[string]struct {
		header wire.Header
		want   string
	}{
		"program":           {wire.Header{Program: 5, Version: 1}, "Cannot find program 5 version 1"},
		"version":           {wire.Header{Program: wire.ProgramRemote, Version: 2, Proc: 46}, "Cannot find program 536903814 version 2"},
		"status":            {wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: 46, Status: 1}, "Unexpected message status 1"},
		"call to keepalive": {wire.Header{Program: wire.ProgramKeepalive, Version: 1, Proc: 1}, "Cannot find program 1801807216 version 1"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.header.Serial = 77
			p.send(tt.header, "default")
			f := p.receive()
			want := tt.header
			want.Type, want.Status = wire.Reply, wire.Failed
			if diff := cmp.Diff(want, f.Header); diff != "" {
				t.Errorf("header (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(refusal(7, 39, "", tt.want), *failureOf(t, f)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestWhatIsNoCallIsDropped(t *testing.T) {
	p := connectOpen(t, serve(t, newMemory(), Options{}).rw)
	for _, typ := range []wire.Type{wire.Reply, wire.Message, wire.Stream, wire.StreamHole, 99} {
		p.send(wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: wire.ConnectGetType, Type: typ}, nil)
	}
	p.Write(wire.Keepalive(wire.KeepalivePong))
	p.must(wire.ConnectGetType, nil)
}

func TestCallWithDescriptorsIsServed(t *testing.T) {
	p := connectOpen(t, serve(t, newMemory(), Options{}).rw)
	b, err := wire.Encode(wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: wire.ConnectGetType, Type: wire.CallWithFDs}, uint32(1))
	if err != nil {
		t.Fatal(err)
	}
	p.Write(b)
	conn := p.Conn.(*net.UnixConn)
	conn.WriteMsgUnix([]byte{0}, syscall.UnixRights(0), nil)
	if f := p.receive(); f.Type != wire.Reply || f.Status != wire.OK {
		t.Errorf("got %+v", f)
	}
	p.must(wire.ConnectGetURI, nil)
}

func TestEveryErrorHasItsCode(t *testing.T) {
	manager := func(kind error) error {
		return fmt.Errorf("start: %w", &network.Error{Kind: kind, Text: "why", Errno: 22})
	}
	system := refusal(19, 38, "", "why")
	system.Int1 = 22
	errno := refusal(19, 38, "", "open: permission denied")
	errno.Int1 = int32(syscall.EACCES)
	noName := wire.Error{Code: 21, Domain: 19, Message: ptr("missing name information"), Level: 2,
		Str1: ptr("missing name information"), Int1: -1, Int2: -1}
	for _, tt := range []struct {
		err  error
		want wire.Error
	}{
		{manager(network.ErrNotFound), noNetwork("why")},
		{manager(network.ErrOperationInvalid), invalidOp("why")},
		{manager(network.ErrOperationFailed), refusal(19, 9, "operation failed: ", "why")},
		{manager(network.ErrInternal), refusal(19, 1, "internal error: ", "why")},
		{manager(network.ErrUnsupported), refusal(19, 67, "unsupported configuration: ", "why")},
		{manager(network.ErrInvalidArg), refusal(19, 8, "invalid argument: ", "why")},
		{manager(network.ErrSystem), system},
		{manager(network.ErrHook), refusal(19, 70, "Hook script execution failed: ", "why")},
		{manager(network.ErrInvalidMAC), refusal(19, 44, "invalid MAC address: ", "why")},
		{manager(network.ErrNoMetadata), refusal(19, 111, "metadata not found: ", "why")},
		{&xmlnet.Error{Kind: xmlnet.XMLError, Text: "why"}, refusal(19, 27, "XML error: ", "why")},
		{&xmlnet.Error{Kind: xmlnet.XMLDetail, Text: "why"}, refusal(19, 35, "", "why")},
		{&xmlnet.Error{Kind: xmlnet.InternalError, Text: "why"}, refusal(19, 1, "internal error: ", "why")},
		{&xmlnet.Error{Kind: xmlnet.NoName, Text: "why"}, noName},
		{&xmlnet.Error{Kind: xmlnet.ConfigUnsupported, Text: "why"}, refusal(19, 67, "unsupported configuration: ", "why")},
		{&xmlnet.Error{Kind: xmlnet.SystemError, Text: "why"}, refusal(19, 38, "", "why")},
		{&xmlnet.Error{Kind: xmlnet.Overflow, Text: "why"}, refusal(19, 82, "numerical overflow: ", "why")},
		{&xmlnet.Error{Kind: xmlnet.XMLInvalidSchema, Text: "why"}, refusal(19, 92, "XML document failed to validate against schema: ", "why")},
		{&xmlnet.Error{Kind: xmlnet.OperationInvalid, Text: "why"}, invalidOp("why")},
		{&xmlnet.Error{Kind: xmlnet.OperationUnsupported, Text: "why"}, refusal(19, 84, "Operation not supported: ", "why")},
		{network.ErrSystem, refusal(19, 38, "", "system error")},
		{fmt.Errorf("open: %w", syscall.EACCES), errno},
		{errors.New("why"), refusal(19, 1, "internal error: ", "why")},
		{context.Canceled, refusal(19, 1, "internal error: ", "context canceled")},
	} {
		if diff := cmp.Diff(tt.want, *asFailure(tt.err)); diff != "" {
			t.Errorf("%v (-want +got)\n%s", tt.err, diff)
		}
	}
}

func TestReplyOverALimitIsAnError(t *testing.T) {
	m := newMemory("default")
	m.networks[id(1)].doc = string(make([]byte, wire.MaxString+1))
	m.startErr = errors.New(m.networks[id(1)].doc)
	p := connectOpen(t, serve(t, m, Options{}).rw)
	want := refusal(7, 39, "", "Unable to encode message payload")
	n := wire.Network{UUID: wire.UUID(id(1))}
	call{"document", wire.NetworkGetXMLDesc, wire.GetXMLArgs{Network: n}, want}.check(t, p)
	call{"error text", wire.NetworkCreate, n, want}.check(t, p)
}

func TestEveryNumberOfTheIssueIsServed(t *testing.T) {
	served := newProcedures()
	for _, p := range []wire.Proc{1, 2, 3, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 59, 60, 66, 70,
		110, 149, 152, 153, 157, 283, 291, 313, 314, 341, 360, 361, 419, 432, 437, 444, 445} {
		if _, ok := served[p]; !ok {
			t.Errorf("%d is not served", uint32(p))
		}
	}
}
