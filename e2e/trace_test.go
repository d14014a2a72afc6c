package e2e

import (
	"bufio"
	"fmt"
	"testing"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// traced is the network of the conversations.
var traced = wire.Network{Name: "traced", UUID: wire.UUID{0xee, 0xee, 0xee, 0xee, 15: 1}}

const tracedXML = `<network><name>traced</name><uuid>eeeeeeee-0000-0000-0000-000000000001</uuid><forward mode='nat'/><bridge name='virbr55'/>
<ip address='192.168.155.1' netmask='255.255.255.0'><dhcp><range start='192.168.155.2' end='192.168.155.99'/></dhcp></ip></network>`

// virshSays is how virsh 11.3 begins, ends, and what it says between for each
// command; want is checked of every answer.
func virshSays(calls ...request) []request {
	uri := "network:///system"
	begin := []request{
		{wire.AuthList, nil, func(f wire.Frame) error {
			var types []int32
			if err := wire.Unmarshal(f.Payload, &types); err != nil || len(types) != 1 || types[0] != 0 {
				return fmt.Errorf("got %v, %w", types, err)
			}
			return nil
		}},
		want(wire.ConnectSupportsFeature, int32(10), int32(1)),
		want(wire.ConnectOpen, wire.OpenArgs{URI: &uri}, wire.Empty{}),
		want(wire.ConnectSupportsFeature, int32(14), int32(1)),
		want(wire.ConnectSupportsFeature, int32(15), int32(1)),
		want(wire.ConnectRegisterCloseCallback, nil, wire.Empty{}),
	}
	end := []request{
		want(wire.ConnectUnregisterCloseCallback, nil, wire.Empty{}),
		want(wire.ConnectClose, nil, wire.Empty{}),
	}
	return append(append(begin, calls...), end...)
}

// TestNetworkCommandsOfVirshReplayed says to the daemon what virsh 11.3 was
// seen to say for each of its network commands, in an order in which they make
// sense. What virtqemud says of domains is replayed in package rpc.
func TestNetworkCommandsOfVirshReplayed(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	find := want(wire.NetworkLookupByName, "traced", traced)
	text := func(s string) *string { return &s }
	host := "<host mac='52:54:00:00:00:01' ip='192.168.155.9'/>"
	for _, command := range []struct {
		name  string
		calls []request
	}{
		{"net-define --validate", []request{want(wire.NetworkDefineXMLFlags, wire.XMLFlagsArgs{XML: tracedXML, Flags: wire.XMLValidate}, traced)}},
		{"net-define", []request{want(wire.NetworkDefineXML, tracedXML, traced)}},
		{"net-define of a name that another has", []request{
			wantCode(wire.NetworkDefineXML, "<network><name>traced</name><uuid>eeeeeeee-0000-0000-0000-000000000002</uuid></network>", 9)}},
		{"net-list --all", []request{
			{wire.ConnectListAllNetworks, wire.ListAllArgs{NeedResults: 1, Flags: 3}, func(f wire.Frame) error {
				var got wire.ListAllRet
				if err := wire.Unmarshal(f.Payload, &got); err != nil || got.Count != 2 || len(got.Networks) != 2 {
					return fmt.Errorf("got %v, %w", got, err)
				}
				return nil
			}},
			want(wire.NetworkGetAutostart, traced, int32(0)), want(wire.NetworkIsPersistent, traced, int32(1)), want(wire.NetworkIsActive, traced, int32(0)),
		}},
		{"net-start", []request{find, want(wire.NetworkCreate, traced, wire.Empty{})}},
		{"net-info", []request{find, want(wire.NetworkIsActive, traced, int32(1)), want(wire.NetworkIsPersistent, traced, int32(1)),
			want(wire.NetworkGetAutostart, traced, int32(0)), want(wire.NetworkGetBridgeName, traced, "virbr55")}},
		{"net-autostart", []request{find, want(wire.NetworkSetAutostart, wire.SetAutostartArgs{Network: traced, Autostart: 1}, wire.Empty{}), want(wire.NetworkGetAutostart, traced, int32(1))}},
		{"net-dumpxml", []request{find, wantText(wire.NetworkGetXMLDesc, wire.GetXMLArgs{Network: traced}, "<bridge name='virbr55'")}},
		{"net-dumpxml --inactive", []request{find, wantText(wire.NetworkGetXMLDesc, wire.GetXMLArgs{Network: traced, Flags: 1}, "<forward mode='nat'/>")}},
		{"net-uuid, net-name", []request{find, want(wire.NetworkLookupByUUID, traced.UUID, traced)}},
		{"net-update", []request{find, want(wire.ConnectSupportsFeature, int32(16), int32(1)),
			want(wire.NetworkUpdate, wire.UpdateArgs{Network: traced, Command: 3, Section: 4, ParentIndex: -1, XML: host, Flags: 3}, wire.Empty{}),
			wantText(wire.NetworkGetXMLDesc, wire.GetXMLArgs{Network: traced}, "192.168.155.9")}},
		{"net-desc --title", []request{find, wantCode(wire.NetworkGetMetadata, wire.GetMetadataArgs{Network: traced, Type: 1}, 111),
			want(wire.NetworkSetMetadata, wire.SetMetadataArgs{Network: traced, Type: 1, Metadata: text("Lab")}, wire.Empty{}),
			want(wire.NetworkGetMetadata, wire.GetMetadataArgs{Network: traced, Type: 1}, "Lab")}},
		{"net-metadata", []request{find,
			want(wire.NetworkSetMetadata, wire.SetMetadataArgs{Network: traced, Type: 2, Metadata: text("<a/>"), Key: text("k"), URI: text("urn:x"), Flags: 3}, wire.Empty{}),
			wantText(wire.NetworkGetMetadata, wire.GetMetadataArgs{Network: traced, Type: 2, URI: text("urn:x")}, "<a")}},
		{"net-dhcp-leases --mac", []request{find, {wire.NetworkGetDHCPLeases, wire.GetLeasesArgs{Network: traced, MAC: text("52:54:00:00:00:01"), NeedResults: 1}, func(f wire.Frame) error {
			var got wire.GetLeasesRet
			if err := wire.Unmarshal(f.Payload, &got); err != nil || got.Count != 0 {
				return fmt.Errorf("got %v, %w", got, err)
			}
			return nil
		}}}},
		{"net-port-list", []request{find, {wire.NetworkListAllPorts, wire.ListPortsArgs{Network: traced, NeedResults: 1}, func(f wire.Frame) error {
			var got wire.ListPortsRet
			if err := wire.Unmarshal(f.Payload, &got); err != nil || got.Count != 0 {
				return fmt.Errorf("got %v, %w", got, err)
			}
			return nil
		}}}},
		{"net-port-dumpxml of none", []request{find, wantCode(wire.NetworkPortLookupByUUID, wire.Port{Network: traced, UUID: wire.UUID{9}}, 107)}},
		{"net-destroy", []request{find, want(wire.NetworkDestroy, traced, wire.Empty{})}},
		{"net-start of a name that is none", []request{wantCode(wire.NetworkLookupByName, "nowhere", 43)}},
		{"net-undefine", []request{find, want(wire.NetworkUndefine, traced, wire.Empty{})}},
		{"net-create --validate", []request{want(wire.NetworkCreateXMLFlags, wire.XMLFlagsArgs{XML: tracedXML, Flags: wire.XMLValidate}, traced),
			want(wire.NetworkIsPersistent, traced, int32(0))}},
		{"net-destroy of a transient one", []request{find, want(wire.NetworkDestroy, traced, wire.Empty{})}},
		{"net-create", []request{want(wire.NetworkCreateXML, tracedXML, traced), want(wire.NetworkDestroy, traced, wire.Empty{})}},
		{"a procedure of tomorrow", []request{wantCode(wire.Proc(4000), nil, 39)}},
	} {
		t.Run(command.name, func(t *testing.T) {
			c, err := s.Dial(lab.Socket)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			p := &pipeline{Conn: c, in: bufio.NewReader(c), asked: map[uint32]request{}}
			for _, call := range virshSays(command.calls...) {
				if err := p.send([]request{call}); err != nil {
					t.Fatal(err)
				}
				if err := p.receive(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestEventsReplayed is net-event: the events of another connection's calls
// arrive with the callback's number.
func TestEventsReplayed(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	c, err := s.Dial(lab.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := &pipeline{Conn: c, in: bufio.NewReader(c), asked: map[uint32]request{}}
	var callback int32
	calls := virshSays(request{wire.NetworkEventRegisterAny, wire.EventRegisterArgs{}, func(f wire.Frame) error {
		return wire.Unmarshal(f.Payload, &callback)
	}})
	for _, call := range calls[:len(calls)-2] {
		if err := p.send([]request{call}); err != nil {
			t.Fatal(err)
		}
		if err := p.receive(); err != nil {
			t.Fatal(err)
		}
	}
	s.WriteFile(t, "/run/traced.xml", tracedXML, 0o644)
	s.ctl(t, "net-define", "/run/traced.xml")
	s.ctl(t, "net-start", "traced")
	s.ctl(t, "net-destroy", "traced")
	s.ctl(t, "net-undefine", "traced")
	for _, event := range []int32{0, 2, 3, 1} {
		var got wire.LifecycleEvent
		f, err := wire.ReadFrame(p.in, wire.MaxFrame)
		for err == nil && f.IsKeepalive() {
			f, err = wire.ReadFrame(p.in, wire.MaxFrame)
		}
		if err == nil {
			err = wire.Unmarshal(f.Payload, &got)
		}
		if err != nil || f.Type != wire.Message || got != (wire.LifecycleEvent{CallbackID: callback, Network: traced, Event: event}) {
			t.Fatalf("got %+v %+v, %v; want event %d", f.Header, got, err, event)
		}
	}
}
