package rpc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

const (
	updateable = `<network><name>up</name><uuid>aa000000-0000-0000-0000-000000000002</uuid><bridge name='virbr1'/>
<ip address='192.168.122.1' prefix='24'/></network>`
	oneHost = `<host mac='52:54:00:00:00:01' ip='192.168.122.9'/>`
)

// forUpdates is fourNetworks with definitions that can be updated.
func forUpdates() *memory {
	m := fourNetworks()
	m.networks[id(2)].doc = updateable
	return m
}

func TestUpdatesAndMetadataAreMadeOrRefused(t *testing.T) {
	p := connectOpen(t, serve(t, forUpdates(), Options{}).rw)
	update := func(n wire.Network, command, section, flags uint32, index int32, xml string) wire.UpdateArgs {
		return wire.UpdateArgs{Network: n, Command: command, Section: section, ParentIndex: index, XML: xml, Flags: flags}
	}
	title, uri, key, xml, both := ptr("A title"), ptr("urn:x"), ptr("k"), ptr("<a b='1'/>"), uint32(3)
	missing := refusal(19, 111, "metadata not found: ", "Requested metadata element is not present")
	for _, tt := range []call{
		{"update", wire.NetworkUpdate, update(up, 3, 4, 1, -1, oneHost), wire.Empty{}},
		{"the same again", wire.NetworkUpdate, update(up, 3, 4, 0, 0, oneHost),
			invalidOp(`there is an existing dhcp host entry in network 'up' that matches "<host mac='52:54:00:00:00:01' name='' ip='192.168.122.9'/>"`)},
		{"command 0", wire.NetworkUpdate, update(up, 0, 4, 0, 0, oneHost), refusal(19, 84, "Operation not supported: ", "unrecognized network update command code 0")},
		{"section 1", wire.NetworkUpdate, update(up, 1, 1, 0, 0, "<bridge/>"), refusal(19, 84, "Operation not supported: ", "can't update 'bridge' section of network 'up'")},
		{"section 99", wire.NetworkUpdate, update(up, 1, 99, 0, 0, "<x/>"), refusal(19, 84, "Operation not supported: ", "can't update unrecognized section of network")},
		{"live of inactive", wire.NetworkUpdate, update(idle, 3, 4, 1, -1, oneHost), invalidOp("network is not running")},
		{"gone", wire.NetworkUpdate, update(gone, 3, 4, 1, -1, oneHost), noNetwork("no network with matching uuid '" + goneUUID + "' (gone)")},
		{"update flags", wire.NetworkUpdate, update(up, 3, 4, 12, -1, oneHost), badFlags("0xc", "networkUpdate")},

		{"no title", wire.NetworkGetMetadata, wire.GetMetadataArgs{Network: up, Type: 1}, missing},
		{"set title", wire.NetworkSetMetadata, wire.SetMetadataArgs{Network: up, Type: 1, Metadata: title, Flags: both}, wire.Empty{}},
		{"title", wire.NetworkGetMetadata, wire.GetMetadataArgs{Network: up, Type: 1}, *title},
		{"set element", wire.NetworkSetMetadata, wire.SetMetadataArgs{Network: up, Type: 2, Metadata: xml, Key: key, URI: uri}, wire.Empty{}},
		{"element", wire.NetworkGetMetadata, wire.GetMetadataArgs{Network: up, Type: 2, URI: uri}, `<a b="1"/>`},
		{"other element", wire.NetworkGetMetadata, wire.GetMetadataArgs{Network: up, Type: 2, URI: ptr("urn:y")}, missing},
		{"delete element", wire.NetworkSetMetadata, wire.SetMetadataArgs{Network: up, Type: 2, URI: uri}, wire.Empty{}},
		{"deleted", wire.NetworkGetMetadata, wire.GetMetadataArgs{Network: up, Type: 2, URI: uri}, missing},
		{"set flags", wire.NetworkSetMetadata, wire.SetMetadataArgs{Network: up, Flags: 4}, badFlags("0x4", "networkSetMetadata")},
		{"get flags", wire.NetworkGetMetadata, wire.GetMetadataArgs{Network: up, Flags: 4}, badFlags("0x4", "networkGetMetadata")},
		{"get of both", wire.NetworkGetMetadata, wire.GetMetadataArgs{Network: up, Flags: 3}, refusal(19, 8, "invalid argument: ",
			"Flags 'VIR_NETWORK_UPDATE_AFFECT_LIVE' and 'VIR_NETWORK_UPDATE_AFFECT_CONFIG' are mutually exclusive")},
		{"element without uri", wire.NetworkGetMetadata, wire.GetMetadataArgs{Network: up, Type: 2}, refusal(19, 8, "invalid argument: ",
			"uri in virNetworkGetMetadata is for elements, which need one")},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(t, p) })
	}
	readOnlyPeer := connectOpen(t, serve(t, forUpdates(), Options{}).ro)
	for _, tt := range []call{
		{"update", wire.NetworkUpdate, update(up, 3, 4, 1, -1, oneHost), readOnly("virNetworkUpdate")},
		{"set metadata", wire.NetworkSetMetadata, wire.SetMetadataArgs{Network: up}, readOnly("virNetworkSetMetadata")},
		{"get metadata", wire.NetworkGetMetadata, wire.GetMetadataArgs{Network: up, Type: 1}, missing},
	} {
		t.Run("read-only "+tt.name, func(t *testing.T) { tt.check(t, readOnlyPeer) })
	}
}

func TestOwnProgramIsServedBesideLibvirts(t *testing.T) {
	s := serve(t, newMemory(), Options{})
	own := wire.Header{Program: wire.ProgramOwn, Version: wire.ProgramOwnVersion, Proc: wire.OwnDefineLive, Serial: 5}
	ask := func(p *peer, h wire.Header, args any) wire.Frame {
		t.Helper()
		p.send(h, args)
		return p.receive()
	}
	p := connectOpen(t, s.rw)
	f := ask(p, own, wire.XMLFlagsArgs{XML: "<name>a</name>"})
	var got wire.Network
	if err := wire.Unmarshal(f.Payload, &got); err != nil || f.Status != wire.OK || got.Name != "a" || f.Program != wire.ProgramOwn {
		t.Errorf("got %+v, %+v, %v", f.Header, got, err)
	}
	unknown, version := own, own
	unknown.Proc, version.Version = 99, 2
	for name, tt := range map[string]struct {
		peer *peer
		h    wire.Header
		args any
		want wire.Error
	}{
		"procedure": {p, unknown, nil, refusal(7, 39, "", "unknown procedure: 99")},
		"version":   {p, version, nil, refusal(7, 39, "", "Cannot find program 544632429 version 2")},
		"flags":     {p, own, wire.XMLFlagsArgs{Flags: 2}, badFlags("0x2", "DEFINE_LIVE")},
		"read-only": {connectOpen(t, s.ro), own, wire.XMLFlagsArgs{}, readOnly("DEFINE_LIVE")},
		"nobody":    {connect(t, s.rw), own, wire.XMLFlagsArgs{}, refusal(7, 39, "", "authentication required")},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, *failureOf(t, ask(tt.peer, tt.h, tt.args))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestMetadataEventsReachWhoAskedForThem(t *testing.T) {
	s := serve(t, forUpdates(), Options{})
	p, changer := connectOpen(t, s.rw), connectOpen(t, s.rw)
	p.must(wire.NetworkEventRegisterAny, wire.EventRegisterArgs{EventID: wire.EventLifecycle})
	p.must(wire.NetworkEventRegisterAny, wire.EventRegisterArgs{EventID: wire.EventMetadataChange, Network: &up})
	changer.must(wire.NetworkSetMetadata, wire.SetMetadataArgs{Network: up, Type: 1, Metadata: ptr("t")})
	changer.must(wire.NetworkSetMetadata, wire.SetMetadataArgs{Network: up, Type: 2, Metadata: ptr("<a/>"), Key: ptr("k"), URI: ptr("urn:x")})
	for _, want := range []wire.MetadataEvent{{CallbackID: 1, Network: up, Type: 1}, {CallbackID: 1, Network: up, Type: 2, URI: ptr("urn:x")}} {
		f := p.receive()
		var got wire.MetadataEvent
		if err := wire.Unmarshal(f.Payload, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" || f.Proc != wire.NetworkEventMetadataChange || f.Type != wire.Message || f.Serial != 1 {
			t.Errorf("%+v (-want +got)\n%s", f.Header, diff)
		}
	}
}
