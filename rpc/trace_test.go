package rpc

import (
	"testing"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// handshake is how every client of libvirt 11 begins. Answers of the wrong
// shape fail in check; the identity is what virtqemud sends of its client.
func handshake(uri string, flags uint32) []call {
	return []call{
		{"AUTH_LIST", wire.AuthList, nil, []int32{0}},
		{"keepalive", wire.ConnectSupportsFeature, int32(10), int32(1)},
		{"OPEN", wire.ConnectOpen, wire.OpenArgs{URI: &uri, Flags: flags}, wire.Empty{}},
		{"event callbacks", wire.ConnectSupportsFeature, int32(14), int32(1)},
		{"close callback", wire.ConnectSupportsFeature, int32(15), int32(1)},
	}
}

func virtqemudHandshake(flags uint32, extra ...wire.TypedParam) []call {
	identity := wire.SetIdentityArgs{Params: append([]wire.TypedParam{
		{Field: "user-name", Value: "nobody"}, {Field: "unix-user-id", Value: uint64(65534)},
		{Field: "group-name", Value: "nogroup"}, {Field: "unix-group-id", Value: uint64(65534)},
		{Field: "process-id", Value: int64(4711)}, {Field: "process-time", Value: uint64(123456)},
	}, extra...)}
	return append(handshake(systemURI, flags), call{"identity", wire.ConnectSetIdentity, identity, wire.Empty{}})
}

func virshHandshake() []call {
	return append(handshake(systemURI, 0), call{"callback", wire.ConnectRegisterCloseCallback, nil, wire.Empty{}})
}

// goodbye is how virsh ends.
func goodbye() []call {
	return []call{
		{"no callback", wire.ConnectUnregisterCloseCallback, nil, wire.Empty{}},
		{"CLOSE", wire.ConnectClose, nil, wire.Empty{}},
	}
}

// TestRecordedConversations replays what clients of libvirt 11.3 were seen to
// say, with the answers that make them go on.
func TestRecordedConversations(t *testing.T) {
	lookUp := call{"lookup", wire.NetworkLookupByName, "idle", idle}
	close := call{"CLOSE", wire.ConnectClose, nil, wire.Empty{}}
	for name, calls := range map[string][]call{
		"virsh net-list --all": append(virshHandshake(),
			call{"list", wire.ConnectListAllNetworks, wire.ListAllArgs{NeedResults: 1, Flags: 3},
				wire.ListAllRet{Networks: []wire.Network{direct, idle, transient, up}, Count: 4}},
			call{"autostart", wire.NetworkGetAutostart, direct, int32(0)},
			call{"persistent", wire.NetworkIsPersistent, direct, int32(1)},
			call{"active", wire.NetworkIsActive, direct, int32(0)},
		),
		"virsh net-info": append(virshHandshake(),
			lookUp,
			call{"active", wire.NetworkIsActive, idle, int32(0)},
			call{"persistent", wire.NetworkIsPersistent, idle, int32(1)},
			call{"autostart", wire.NetworkGetAutostart, idle, int32(0)},
			call{"bridge", wire.NetworkGetBridgeName, idle, "virbr0"},
		),
		"virsh net-start, net-destroy": append(virshHandshake(),
			lookUp,
			call{"start", wire.NetworkCreate, idle, wire.Empty{}},
			lookUp,
			call{"destroy", wire.NetworkDestroy, idle, wire.Empty{}},
		),
		"virsh net-event": append(virshHandshake(),
			call{"deregister", wire.NetworkEventDeregisterAny, int32(1000), refusal(7, 1, "internal error: ", "network event callback 1000 not registered")},
		),
		"libvirt-python, without an event loop": {
			{"AUTH_LIST", wire.AuthList, nil, []int32{0}},
			{"OPEN", wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)}, wire.Empty{}},
			{"event callbacks", wire.ConnectSupportsFeature, int32(14), int32(1)},
			{"close callback", wire.ConnectSupportsFeature, int32(15), int32(1)},
			{"count", wire.ConnectNumOfNetworks, nil, int32(2)},
			{"names", wire.ConnectListNetworks, int32(2), wire.ListNamesRet{Names: []string{"transient", "up"}}},
			{"count defined", wire.ConnectNumOfDefinedNetworks, nil, int32(2)},
			{"defined", wire.ConnectListDefinedNetworks, int32(2), wire.ListNamesRet{Names: []string{"direct", "idle"}}},
			close,
		},
		"virtqemud looks at the network of an interface": append(virtqemudHandshake(0),
			lookUp,
			call{"xml", wire.NetworkGetXMLDesc, wire.GetXMLArgs{Network: idle},
				"<network>\n  <name>idle</name>\n  <uuid>aa000000-0000-0000-0000-000000000001</uuid>\n</network>\n"},
			close,
		),
		"virtqemud finds no network": append(virtqemudHandshake(0),
			call{"lookup", wire.NetworkLookupByName, "x", noNetwork("no network with matching name 'x'")},
			close,
		),
		"virtqemud's own work": append(virtqemudHandshake(0, wire.TypedParam{Field: "system.token", Value: "00112233445566778899aabbccddeeff"}),
			lookUp,
			close,
		),
		"virtqemud for a read-only client": append(virtqemudHandshake(1),
			lookUp,
			call{"destroy", wire.NetworkDestroy, idle, readOnly("virNetworkDestroy")},
			close,
		),
		"domifaddr --source lease": append(virtqemudHandshake(0),
			call{"lookup", wire.NetworkLookupByName, "up", up},
			call{"leases", wire.NetworkGetDHCPLeases, wire.GetLeasesArgs{Network: up, MAC: ptr(macB.String()), NeedResults: 1},
				wire.GetLeasesRet{Leases: []wire.Lease{{Link: "virbr1", Type: 1, MAC: ptr(macB.String()), IAID: ptr("4000000000"),
					Addr: "fd00::2", Prefix: 64, ClientID: ptr("00:01")}}, Count: 1}},
			close,
		),
	} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, serve(t, fourNetworks(), Options{}).rw)
			if calls[len(calls)-1].proc != wire.ConnectClose {
				calls = append(calls, goodbye()...)
			}
			for _, tt := range calls {
				tt.check(t, p)
			}
			p.gone()
		})
	}
}
