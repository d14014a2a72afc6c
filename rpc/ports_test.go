package rpc

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// portUUID is the UUID of the n-th port of a test, portOn that port on up.
func portUUID(n int) wire.UUID { return wire.UUID{0: 0xbb, 14: byte(n >> 8), 15: byte(n)} }
func portOn(n int) wire.Port   { return wire.Port{Network: up, UUID: portUUID(n)} }

// portDoc is a port as it is printed: what comes before its MAC address (a
// group), and after.
func portDoc(n int, before, after string) string {
	return fmt.Sprintf(`<networkport>
  <uuid>%s</uuid>
  <owner>
    <name>g1</name>
    <uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid>
  </owner>
%s  <mac address='52:54:00:00:00:01'/>
%s</networkport>
`, xmlnet.UUID(portUUID(n)), before, after)
}

const plug = "  <plug type='network' bridge='virbr1'/>\n"

func portRefusal(code wire.Code, prefix, detail string) wire.Error {
	return refusal(19, code, prefix, detail)
}

func noPort(n int) wire.Error {
	return portRefusal(107, "network port not found: ", fmt.Sprintf("Network port with UUID %s does not exist", xmlnet.UUID(portUUID(n))))
}

func portExists(n int) wire.Error {
	detail := fmt.Sprintf("Network port with UUID %s already exists", xmlnet.UUID(portUUID(n)))
	e := portRefusal(106, "", detail)
	e.Message, e.Str1 = ptr("network port "+detail+" exists already"), ptr("network port %1$s exists already")
	return e
}

// The calls about ports that virtqemud makes.
func create(n int, xml string) call {
	return call{"406", wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: up, XML: xml}, portOn(n)}
}
func reclaim(n int, xml string) call {
	return call{"406 reclaim", wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: up, XML: xml, Flags: wire.PortReclaim}, portOn(n)}
}
func lookup(n int) call { return call{"405", wire.NetworkPortLookupByUUID, portOn(n), portOn(n)} }
func noLookup(n int) call {
	return call{"405", wire.NetworkPortLookupByUUID, portOn(n), noPort(n)}
}
func dump(n int, want string) call {
	return call{"409", wire.NetworkPortGetXMLDesc, wire.PortFlagsArgs{Port: portOn(n)}, want}
}
func remove(n int) call {
	return call{"410", wire.NetworkPortDelete, wire.PortFlagsArgs{Port: portOn(n)}, wire.Empty{}}
}
func tune(n int, want any, params ...wire.TypedParam) call {
	return call{"408", wire.NetworkPortSetParameters, wire.PortSetParamsArgs{Port: portOn(n), Params: params}, want}
}
func params(n int, want ...wire.TypedParam) call {
	return call{"407", wire.NetworkPortGetParameters, wire.PortGetParamsArgs{Port: portOn(n), Count: 16}, wire.PortGetParamsRet{Params: want, Count: int32(len(want))}}
}
func count(n int) call {
	return call{"404 count", wire.NetworkListAllPorts, wire.ListPortsArgs{Network: up}, wire.ListPortsRet{Count: uint32(n)}}
}

func uints(pairs ...any) []wire.TypedParam {
	var params []wire.TypedParam
	for i := 0; i < len(pairs); i += 2 {
		params = append(params, wire.TypedParam{Field: pairs[i].(string), Value: uint32(pairs[i+1].(int))})
	}
	return params
}

// TestDomainsLifeReplayed replays what virtqemud 11.3 says when a domain with
// an interface on a network lives. Each step is a connection of its own, as
// there.
func TestDomainsLifeReplayed(t *testing.T) {
	find := call{"46", wire.NetworkLookupByName, "up", up}
	for name, steps := range map[string][][]call{
		"start, stop": {
			{find, create(1, portDoc(1, "", "")), dump(1, portDoc(1, "", plug)), count(1)},
			{find, lookup(1), remove(1), count(0)},
		},
		"start fails later": {
			{find, create(1, portDoc(1, "", "")), dump(1, portDoc(1, "", plug))},
			{find, lookup(1), remove(1)},
			{}, // and with no port made it only says hello
		},
		"two interfaces": {
			{find, create(1, portDoc(1, "", "")), dump(1, portDoc(1, "", plug)), find, create(2, portDoc(2, "", "")), dump(2, portDoc(2, "", plug)), count(2)},
			{find, lookup(1), remove(1)},
			{find, lookup(2), remove(2), count(0)},
		},
		"portgroup": {
			{find, create(1, portDoc(1, "  <group>slow</group>\n", "")),
				dump(1, portDoc(1, "  <group>slow</group>\n", "  <bandwidth>\n    <outbound average='9'/>\n  </bandwidth>\n  <rxfilters trustGuest='yes'/>\n"+plug))},
		},
		"unknown portgroup": {
			{find, create(1, portDoc(1, "  <group>x</group>\n", "")), dump(1, portDoc(1, "  <group>x</group>\n", plug))},
		},
		"update-device": {
			{find, create(1, portDoc(1, "", "")), dump(1, portDoc(1, "", plug))},
			{find, create(2, portDoc(2, "", "")), dump(2, portDoc(2, "", plug)), count(2)},
			{find, lookup(1), remove(1), count(1)},
		},
		"domiftune": {
			{find, create(1, portDoc(1, "", ""))},
			{find, lookup(1), tune(1, wire.Empty{}, uints("inbound.average", 10, "inbound.peak", 0, "inbound.floor", 5, "inbound.burst", 0, "outbound.average", 3, "outbound.peak", 4, "outbound.burst", 5)...)},
			{dump(1, portDoc(1, "", "  <bandwidth classID='3'>\n    <inbound average='10' floor='5'/>\n    <outbound average='3' peak='4' burst='5'/>\n  </bandwidth>\n"+plug)),
				params(1, uints("inbound.average", 10, "inbound.peak", 0, "inbound.floor", 5, "inbound.burst", 0, "outbound.average", 3, "outbound.peak", 4, "outbound.burst", 5)...)},
			{find, lookup(1), tune(1, wire.Empty{}, append(uints("outbound.average", 7), wire.TypedParam{Field: "new", Value: "x"})...), params(1, uints("outbound.average", 7, "outbound.peak", 0, "outbound.burst", 0)...)},
			{find, lookup(1), tune(1, wire.Empty{}), dump(1, portDoc(1, "", plug)), params(1)},
		},
		"virtqemud restarts, port known": {
			{find, create(1, portDoc(1, "", ""))},
			{find, lookup(1)},
		},
		"virtqemud restarts, port lost": {
			{find, noLookup(1), reclaim(1, portDoc(1, "", plug)), dump(1, portDoc(1, "", plug))},
			{find, lookup(1), remove(1)},
		},
		"network destroyed under the domain": {
			{find, noLookup(1)},
		},
		"network is not active": {
			{call{"406", wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: idle, XML: portDoc(1, "", "")}, invalidOp("network 'idle' is not active")}},
		},
		"floor too high": {
			{find, create(1, portDoc(1, "", "")), tune(1, invalidOp("Cannot plug '52:54:00:00:00:01' interface into 'virbr1' because new combined inbound floor=101 would overcommit average=100 on network 'up'"), uints("inbound.floor", 101)...)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, fourNetworks(), Options{})
			for _, calls := range steps {
				p := connect(t, s.rw)
				calls = append(append(virtqemudHandshake(0), calls...), call{"CLOSE", wire.ConnectClose, nil, wire.Empty{}})
				for _, tt := range calls {
					tt.check(t, p)
				}
				p.gone()
			}
		})
	}
}

func TestPortCallsRefused(t *testing.T) {
	p := connectOpen(t, serve(t, fourNetworks(), Options{}).rw)
	create(1, portDoc(1, "", "")).check(t, p)
	onGone := wire.Port{Network: gone, UUID: portUUID(1)}
	missing := noNetwork("no network with matching uuid '" + goneUUID + "' (gone)")
	for _, tt := range []call{
		{"create again", wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: up, XML: portDoc(1, "", "")}, portExists(1)},
		{"create without uuid", wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: up, XML: "<networkport/>"}, portRefusal(1, "internal error: ", "network port has no uuid")},
		{"create with plug", wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: up, XML: portDoc(2, "", plug)}, portRefusal(8, "invalid argument: ", "Port reclaim not requested but plug type is not none")},
		{"reclaim without plug", wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: up, XML: portDoc(2, "", ""), Flags: 1}, portRefusal(8, "invalid argument: ", "Port reclaim requested but plug type is none")},
		{"create with unknown parts", wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: up, XML: portDoc(2, "", "<x/>"), Flags: 2},
			portRefusal(92, "XML document failed to validate against schema: ", "did not expect element x there, in networkport, line 8")},
		{"create with flags", wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: gone, Flags: 7}, badFlags("0x4", "networkPortCreateXML")},
		{"create on a vanished network", wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: gone, XML: "<"}, missing},
		{"list with flags", wire.NetworkListAllPorts, wire.ListPortsArgs{Network: up, Flags: 1}, badFlags("0x1", "networkListAllPorts")},
		{"list on a vanished network", wire.NetworkListAllPorts, wire.ListPortsArgs{Network: gone}, missing},
		{"list", wire.NetworkListAllPorts, wire.ListPortsArgs{Network: up, NeedResults: 1}, wire.ListPortsRet{Ports: []wire.Port{portOn(1)}, Count: 1}},
		{"list on an inactive network", wire.NetworkListAllPorts, wire.ListPortsArgs{Network: idle, NeedResults: 1}, invalidOp("network 'idle' is not active")},
		{"lookup", wire.NetworkPortLookupByUUID, portOn(9), noPort(9)},
		{"lookup on a vanished network", wire.NetworkPortLookupByUUID, onGone, missing},
		{"xml", wire.NetworkPortGetXMLDesc, wire.PortFlagsArgs{Port: portOn(9)}, noPort(9)},
		{"xml with flags", wire.NetworkPortGetXMLDesc, wire.PortFlagsArgs{Port: portOn(1), Flags: 2}, badFlags("0x2", "networkPortGetXMLDesc")},
		{"xml on a vanished network", wire.NetworkPortGetXMLDesc, wire.PortFlagsArgs{Port: onGone}, missing},
		{"delete", wire.NetworkPortDelete, wire.PortFlagsArgs{Port: portOn(9)}, noPort(9)},
		{"delete with flags", wire.NetworkPortDelete, wire.PortFlagsArgs{Port: portOn(1), Flags: 1}, badFlags("0x1", "networkPortDelete")},
		{"get", wire.NetworkPortGetParameters, wire.PortGetParamsArgs{Port: portOn(9)}, noPort(9)},
		{"get with flags", wire.NetworkPortGetParameters, wire.PortGetParamsArgs{Port: portOn(1), Flags: 1}, badFlags("0x1", "networkPortGetParameters")},
		{"set", wire.NetworkPortSetParameters, wire.PortSetParamsArgs{Port: portOn(9), Params: uints("inbound.average", 1)}, noPort(9)},
		{"set with flags", wire.NetworkPortSetParameters, wire.PortSetParamsArgs{Port: portOn(1), Flags: 1}, badFlags("0x1", "networkPortSetParameters")},
		{"set a string", wire.NetworkPortSetParameters, wire.PortSetParamsArgs{Port: portOn(1), Params: []wire.TypedParam{{Field: "inbound.average", Value: "1"}}},
			portRefusal(8, "invalid argument: ", "invalid type 'string' for parameter 'inbound.average', expected 'uint'")},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(t, p) })
	}
}

func TestReadersSeePortsAndChangeNone(t *testing.T) {
	s := serve(t, fourNetworks(), Options{})
	writer, reader := connectOpen(t, s.rw), connectOpen(t, s.ro)
	create(1, portDoc(1, "", "")).check(t, writer)
	for _, tt := range []call{
		lookup(1), dump(1, portDoc(1, "", plug)), params(1), count(1),
		{"create", wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: up}, readOnly("virNetworkPortCreateXML")},
		{"set", wire.NetworkPortSetParameters, wire.PortSetParamsArgs{Port: portOn(1)}, readOnly("virNetworkPortSetParameters")},
		{"delete", wire.NetworkPortDelete, wire.PortFlagsArgs{Port: portOn(1)}, readOnly("virNetworkPortDelete")},
	} {
		tt.check(t, reader)
	}
}

// TestFiveThousandCallsInFlight has 100 clients with 50 calls each on the way
// at once, ten times more than the server takes of a client: the rest waits in
// the sockets. Every answer must be that of its call.
func TestFiveThousandCallsInFlight(t *testing.T) {
	s := serve(t, fourNetworks(), Options{})
	const clients, each = 100, 50
	var running sync.WaitGroup
	for c := range clients {
		running.Go(func() {
			conn, err := wire.Dial(t.Context(), s.rw, systemURI, false)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			var calls sync.WaitGroup
			for i := range each {
				calls.Go(func() { livePort(t, conn, c*each+i) })
			}
			calls.Wait()
		})
	}
	running.Wait()
	count(0).check(t, connectOpen(t, s.rw))
}

// livePort makes the n-th port, reads it, and deletes it.
func livePort(t *testing.T, conn *wire.Conn, n int) {
	var made wire.Port
	if err := conn.Call(t.Context(), wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: up, XML: portDoc(n, "", "")}, &made); err != nil || made != portOn(n) {
		t.Errorf("create %d: %v, %v", n, made, err)
		return
	}
	var xml string
	if err := conn.Call(t.Context(), wire.NetworkPortGetXMLDesc, wire.PortFlagsArgs{Port: made}, &xml); err != nil || xml != portDoc(n, "", plug) {
		t.Errorf("dump %d: %v\n%s", n, err, xml)
	}
	if err := conn.Call(t.Context(), wire.NetworkPortDelete, wire.PortFlagsArgs{Port: made}, nil); err != nil {
		t.Errorf("delete %d: %v", n, err)
	}
	err := conn.Call(t.Context(), wire.NetworkPortLookupByUUID, made, &made)
	if err == nil || !strings.Contains(err.Error(), xmlnet.UUID(made.UUID).String()) {
		t.Errorf("lookup of %d after: %v", n, err)
	}
}
