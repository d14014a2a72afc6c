package port

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func mustPort(t *testing.T, rest string) Port {
	t.Helper()
	p, _, err := Parse([]byte(doc(rest)), false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// mustNetwork is an active network with the given children.
func mustNetwork(t *testing.T, rest string) *xmlnet.Network {
	t.Helper()
	n, _, err := xmlnet.Parse([]byte("<network><name>n</name>" + rest + "</network>"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	natMode   = "<forward mode='nat'/><bridge name='virbr0'/><ip address='10.0.0.1' prefix='24'/>"
	macvtap   = "<forward mode='bridge'><interface dev='e0'/><interface dev='e1'/><interface dev='e2'/></forward>"
	ownBridge = "<forward mode='bridge'/><bridge name='br0' macTableManager='kernel'/>"
	hostdev   = "<forward mode='hostdev' managed='yes'><driver name='vfio'/><address type='pci' slot='1'/><address type='pci' slot='2'/></forward>"
)

func TestNewPortGetsItsPlugAndSettings(t *testing.T) {
	used := PoolState{Connections: map[string]int{"e0": 2, "e1": 1, "e2": 1, "0000:00:01.0": 1}}
	for _, tt := range []struct{ name, network, port, want string }{
		{"nat", natMode, "", "  <plug type='network' bridge='virbr0'/>\n"},
		{"isolated", "<bridge name='b' macTableManager='libvirt'/>", "", "  <plug type='network' bridge='b' macTableManager='libvirt'/>\n"},
		{"open", "<forward mode='open'/><bridge name='b'/>", "", "  <plug type='network' bridge='b'/>\n"},
		{"host's bridge", ownBridge, "", "  <plug type='bridge' bridge='br0' macTableManager='kernel'/>\n"},
		{"least used device, the first of two", macvtap, "", "  <plug type='direct' dev='e1' mode='bridge'/>\n"},
		{"free device", "<forward mode='passthrough'><interface dev='e0'/><interface dev='e9'/></forward>", "", "  <plug type='direct' dev='e9' mode='passthrough'/>\n"},
		{"shared device", "<forward mode='private' dev='e0'/>", "", "  <plug type='direct' dev='e0' mode='private'/>\n"},
		{"free PCI device", hostdev, "", "  <plug type='hostdev-pci' managed='yes'>\n    <driver name='vfio'/>\n    <address domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>\n  </plug>\n"},
		{"own settings before all", "<portgroup name='d' default='yes' trustGuestRxFilters='yes'><bandwidth><inbound average='1'/></bandwidth></portgroup><port isolated='yes'/><bridge name='b'/>",
			"<bandwidth><outbound average='2'/></bandwidth><port isolated='no'/><rxfilters trustGuest='no'/>",
			"  <bandwidth>\n    <outbound average='2'/>\n  </bandwidth>\n  <port isolated='no'/>\n  <rxfilters trustGuest='no'/>\n  <plug type='network' bridge='b'/>\n"},
		{"default portgroup before network", "<portgroup name='d' default='yes' trustGuestRxFilters='yes'><bandwidth><inbound average='1'/></bandwidth></portgroup><port isolated='yes'/><bridge name='b'/>", "",
			"  <bandwidth>\n    <inbound average='1'/>\n  </bandwidth>\n  <port isolated='yes'/>\n  <rxfilters trustGuest='yes'/>\n  <plug type='network' bridge='b'/>\n"},
		{"network's bandwidth is not the port's", "<bandwidth><inbound average='9'/></bandwidth><bridge name='b'/>", "", "  <plug type='network' bridge='b'/>\n"},
		{"portgroup's vlan before network's", "<vlan><tag id='1'/></vlan><portgroup name='d' default='yes'><vlan><tag id='2'/></vlan></portgroup>" + ownBridge, "",
			"  <vlan>\n    <tag id='2'/>\n  </vlan>\n  <plug type='bridge' bridge='br0' macTableManager='kernel'/>\n"},
		{"network's vlan", "<vlan><tag id='1'/></vlan>" + ownBridge, "",
			"  <vlan>\n    <tag id='1'/>\n  </vlan>\n  <plug type='bridge' bridge='br0' macTableManager='kernel'/>\n"},
		{"virtual ports together", "<forward mode='vepa' dev='e0'/><virtualport type='802.1Qbg'><parameters managerid='1' typeid='2'/></virtualport><portgroup name='d' default='yes'><virtualport><parameters typeidversion='3'/></virtualport></portgroup>",
			"<virtualport type='802.1Qbg'><parameters typeid='2' instanceid='5d744f21-ba4a-4d6e-bdb2-30a35ff3207d'/></virtualport>",
			"  <virtualport type='802.1Qbg'>\n    <parameters managerid='1' typeid='2' typeidversion='3' instanceid='5d744f21-ba4a-4d6e-bdb2-30a35ff3207d'/>\n  </virtualport>\n  <plug type='direct' dev='e0' mode='vepa'/>\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := mustPort(t, tt.port)
			p, err := Assign(mustNetwork(t, tt.network), req, used)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(doc(tt.want), string(p.Format())); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(mustPort(t, tt.port), req); diff != "" {
				t.Errorf("the request was changed (-want +got)\n%s", diff)
			}
		})
	}
}

func TestPortgroupIsTakenByName(t *testing.T) {
	n := mustNetwork(t, natMode+`<portgroup name='a' default='yes'><bandwidth><inbound average='1'/></bandwidth></portgroup>
		<portgroup name='b'><bandwidth><inbound average='2'/></bandwidth></portgroup>`)
	for group, want := range map[string]uint64{"": 1, "a": 1, "b": 2, "unknown": 0} {
		req := mustPort(t, "")
		req.Group = group
		p, err := Assign(n, req, PoolState{})
		if err != nil {
			t.Fatal(err)
		}
		got := uint64(0)
		if p.Bandwidth != nil {
			got = p.Bandwidth.Inbound.Average
		}
		if got != want || p.Group != group {
			t.Errorf("group %q: average %d of group %q, want %d", group, got, p.Group, want)
		}
	}
}

func TestNetworksTrustIsThePortsLastResort(t *testing.T) {
	for group, want := range map[string]xmlnet.Tristate{"unknown": xmlnet.No, "": xmlnet.Yes} {
		n := mustNetwork(t, natMode+"<portgroup name='d' default='yes' trustGuestRxFilters='yes'/>")
		n.TrustGuestRxFilters = xmlnet.No
		req := mustPort(t, "")
		req.Group = group
		if p, err := Assign(n, req, PoolState{}); err != nil || p.TrustGuestRxFilters != want {
			t.Errorf("group %q: %v, %v", group, p.TrustGuestRxFilters, err)
		}
	}
}

func TestOpenVSwitchPortGetsAnIdentity(t *testing.T) {
	p, err := Assign(mustNetwork(t, ownBridge+"<virtualport type='openvswitch'/>"), mustPort(t, ""), PoolState{})
	if err != nil || p.VirtualPort == nil || p.VirtualPort.InterfaceID == nil || p.VirtualPort.InterfaceID.IsZero() {
		t.Errorf("got %+v, %v", p.VirtualPort, err)
	}
}

const (
	qbh = "<virtualport type='802.1Qbh'><parameters profileid='a'/></virtualport>"
	qbg = "<virtualport type='802.1Qbg'><parameters managerid='1' typeid='2' typeidversion='3'/></virtualport>"
)

func TestPortsThatANetworkCannotHaveAreRefused(t *testing.T) {
	floored := "<bandwidth><inbound average='100' floor='60'/></bandwidth>"
	for _, tt := range []struct {
		name, network, port string
		kind                xmlnet.Kind
		text                string
	}{
		{"plug in a request", natMode, "<plug type='network' bridge='virbr0'/>", xmlnet.InvalidArgument, "Port reclaim not requested but plug type is not none"},
		{"virtualport on nat", natMode, qbh, xmlnet.ConfigUnsupported, "<virtualport type='802.1Qbh'> not supported for network 'n' which uses IP forwarding"},
		{"Qbh on a bridge", ownBridge, qbh, xmlnet.ConfigUnsupported, "<virtualport type='802.1Qbh'> not supported for network 'n' which uses a bridge device"},
		{"openvswitch on macvtap", macvtap, "<virtualport type='openvswitch'/>", xmlnet.ConfigUnsupported, "<virtualport type='openvswitch'> not supported for network 'n' which uses a macvtap device"},
		{"openvswitch on a PCI device", hostdev, "<virtualport type='openvswitch'/>", xmlnet.ConfigUnsupported, "<virtualport type='openvswitch'> not supported for network 'n' which uses an SR-IOV Virtual Function via PCI passthrough"},
		{"two types", macvtap + qbg, qbh, xmlnet.XMLError, "attempt to merge virtualports with mismatched types (802.1Qbh and 802.1Qbg)"},
		{"two values", macvtap + qbg, "<virtualport type='802.1Qbg'><parameters managerid='9'/></virtualport>", xmlnet.XMLError, "attempt to merge virtualports with mismatched managerids ('9' and '1')"},
		{"foreign parameter", macvtap + "<portgroup name='d' default='yes'><virtualport><parameters interfaceid='5d744f21-ba4a-4d6e-bdb2-30a35ff3207d'/></virtualport></portgroup>", qbh,
			xmlnet.XMLError, "extra interfaceid unsupported in <virtualport type='802.1Qbh'>"},
		{"incomplete Qbg", macvtap, "<virtualport type='802.1Qbg'><parameters managerid='1'/></virtualport>", xmlnet.ConfigUnsupported, "missing typeid in <virtualport type='802.1Qbg'>"},
		{"incomplete Qbh", macvtap, "<virtualport type='802.1Qbh'/>", xmlnet.ConfigUnsupported, "missing profileid in <virtualport type='802.1Qbh'>"},
		{"vlan on nat", natMode, "<vlan><tag id='1'/></vlan>", xmlnet.ConfigUnsupported, "an interface connecting to network 'n' is requesting a vlan tag, but that is not supported for this type of network"},
		{"vlan on macvtap", macvtap, "<vlan><tag id='1'/></vlan>", xmlnet.ConfigUnsupported, "an interface connecting to network 'n' is requesting a vlan tag, but that is not supported for this type of network"},
		{"bandwidth on a PCI device", hostdev, "<bandwidth><inbound average='1'/></bandwidth>", xmlnet.ConfigUnsupported, "bandwidth settings are not supported for hostdev interfaces"},
		{"no pool", "<forward mode='bridge'/>", "", xmlnet.InternalError, "network 'n' uses a direct mode, but has no forward dev and no interface pool"},
		{"no free device", "<forward mode='passthrough' dev='e0'/>", "", xmlnet.InternalError, "network 'n' requires exclusive access to interfaces, but none are available"},
		{"Qbh alone on a device", "<forward mode='private' dev='e0'/>", qbh, xmlnet.InternalError, "network 'n' requires exclusive access to interfaces, but none are available"},
		{"floor without a network's limit", natMode, floored, xmlnet.OperationUnsupported, "Invalid use of 'floor' on interface with MAC address 52:54:00:7b:35:93 - network 'n' has no inbound QoS set"},
		{"floor on the host's bridge", ownBridge, floored, xmlnet.OperationUnsupported, "Invalid use of 'floor' on interface with MAC address 52:54:00:7b:35:93 - 'floor' is only supported for interface type 'network' with forward type 'nat', 'route', 'open' or none"},
		{"floors over average", natMode + "<bandwidth><inbound average='99'/></bandwidth>", floored, xmlnet.OperationInvalid,
			"Cannot plug '52:54:00:7b:35:93' interface into 'virbr0' because new combined inbound floor=100 would overcommit average=99 on network 'n'"},
		{"floors over peak", natMode + "<bandwidth><inbound average='50' peak='99'/></bandwidth>", floored, xmlnet.OperationInvalid,
			"Cannot plug '52:54:00:7b:35:93' interface into 'virbr0' because new combined inbound floor=100 would overcommit peak=99 on network 'n'"},
		{"floor beyond all numbers", natMode + "<bandwidth><inbound average='50'/></bandwidth>", "<bandwidth><inbound floor='18446744073709551615'/></bandwidth>", xmlnet.OperationInvalid,
			"Cannot plug '52:54:00:7b:35:93' interface into 'virbr0' because new combined inbound floor=39 would overcommit average=50 on network 'n'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Assign(mustNetwork(t, tt.network), mustPort(t, tt.port), PoolState{Connections: map[string]int{"e0": 1}, FloorSum: 40})
			checkRefusal(t, err, tt.kind, tt.text)
		})
	}
}

func checkRefusal(t *testing.T, err error, kind xmlnet.Kind, text string) {
	t.Helper()
	e, ok := errors.AsType[*xmlnet.Error](err)
	if !ok || e.Kind != kind || e.Text != text {
		t.Errorf("got %#v\nwant %d %s", err, kind, text)
	}
}

func TestFloorsGetClassesOfTheirOwn(t *testing.T) {
	n := mustNetwork(t, natMode+"<bandwidth><inbound average='100'/></bandwidth>")
	var pool PoolState
	add := func() Port {
		p, err := Assign(n, mustPort(t, "<bandwidth classID='9'><inbound floor='30'/></bandwidth>"), pool)
		if err != nil {
			t.Fatal(err)
		}
		pool.Add(&p)
		return p
	}
	first, second, third := add(), add(), add()
	if got := []uint32{first.ClassID(), second.ClassID(), third.ClassID()}; !cmp.Equal(got, []uint32{3, 4, 5}) {
		t.Errorf("classes %v", got)
	}
	pool.Remove(&second)
	if p := add(); p.ClassID() != 4 {
		t.Errorf("class %d after 4 became free", p.ClassID())
	}
	if pool.FloorSum != 90 {
		t.Errorf("sum %d", pool.FloorSum)
	}
}

func TestBandwidthCanBeChanged(t *testing.T) {
	n := mustNetwork(t, natMode+"<bandwidth><inbound average='100'/></bandwidth>")
	rate := func(floor uint64) *xmlnet.Bandwidth {
		return &xmlnet.Bandwidth{Inbound: &xmlnet.Rate{Average: 10, Floor: floor}, ClassID: 77}
	}
	for _, tt := range []struct {
		name     string
		had, to  uint64
		class    uint32
		refusal  string
		noLimits bool
	}{
		{name: "floor kept in its class", had: 50, to: 60, class: 3},
		{name: "floor added", had: 0, to: 60, class: 5},
		{name: "floor removed", had: 50, to: 0},
		{name: "everything removed", had: 50, noLimits: true},
		{name: "too much", had: 50, to: 61,
			refusal: "Cannot plug '52:54:00:7b:35:93' interface into 'virbr0' because new combined inbound floor=101 would overcommit average=100 on network 'n'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := mustPort(t, "")
			p.Bandwidth = rate(tt.had)
			p.Bandwidth.ClassID = 0
			pool := PoolState{FloorSum: 40 + tt.had, ClassIDs: map[uint32]bool{3: true, 4: true}}
			if tt.had > 0 {
				p.Bandwidth.ClassID = 3
			}
			to := rate(tt.to)
			if tt.noLimits {
				to = nil
			}
			got, err := Retune(n, p, to, pool)
			if tt.refusal != "" {
				checkRefusal(t, err, xmlnet.OperationInvalid, tt.refusal)
				return
			}
			if err != nil || got.ClassID() != tt.class || got.Floor() != tt.to {
				t.Errorf("class %d, floor %d, %v", got.ClassID(), got.Floor(), err)
			}
		})
	}
}

func TestReclaimedPortIsTakenAsItIs(t *testing.T) {
	n := mustNetwork(t, natMode+"<port isolated='yes'/><bandwidth><inbound average='1'/></bandwidth>")
	for name, tt := range map[string]struct{ port, want string }{
		"network plug":        {"  <plug type='network' bridge='other'/>\n", "  <plug type='network' bridge='other'/>\n"},
		"class kept":          {"  <bandwidth classID='9'>\n    <inbound floor='7'/>\n  </bandwidth>\n  <plug type='network' bridge='a'/>\n", "  <bandwidth classID='9'>\n    <inbound floor='7'/>\n  </bandwidth>\n  <plug type='network' bridge='a'/>\n"},
		"class taken":         {"  <bandwidth classID='3'>\n    <inbound floor='7'/>\n  </bandwidth>\n  <plug type='network' bridge='a'/>\n", "  <bandwidth classID='4'>\n    <inbound floor='7'/>\n  </bandwidth>\n  <plug type='network' bridge='a'/>\n"},
		"class without floor": {"  <bandwidth classID='3'>\n    <inbound average='7'/>\n  </bandwidth>\n  <plug type='network' bridge='a'/>\n", "  <bandwidth>\n    <inbound average='7'/>\n  </bandwidth>\n  <plug type='network' bridge='a'/>\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Reclaim(n, mustPort(t, tt.port), PoolState{ClassIDs: map[uint32]bool{3: true}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(doc(tt.want), string(p.Format())); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestReclaimedDeviceMustBeThePoolsAndFree(t *testing.T) {
	passthrough := "<forward mode='passthrough'><interface dev='e0'/><interface dev='e1'/></forward>"
	for _, tt := range []struct {
		name, network, port string
		kind                xmlnet.Kind
		text                string
	}{
		{"no plug", natMode, "", xmlnet.InvalidArgument, "Port reclaim requested but plug type is none"},
		{"another link", macvtap, "<plug type='direct' dev='e9' mode='bridge'/>", xmlnet.InternalError, "network 'n' doesn't have dev='e9' in use by domain"},
		{"another PCI device", hostdev, "<plug type='hostdev-pci'><address slot='9'/></plug>", xmlnet.InternalError, "network 'n' doesn't have PCI device 0000:00:09.0 in use by domain"},
		{"taken link", passthrough, "<plug type='direct' dev='e0' mode='passthrough'/>", xmlnet.InternalError, "network 'n' claims dev='e0' is already in use by a different domain"},
		{"taken PCI device", hostdev, "<plug type='hostdev-pci'><address slot='1'/></plug>", xmlnet.InternalError, "network 'n' claims dev='0000:00:01.0' is already in use by a different domain"},
		{"shared link", macvtap, "<plug type='direct' dev='e0' mode='bridge'/>", 0, ""},
		{"free link", passthrough, "<plug type='direct' dev='e1' mode='passthrough'/>", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Reclaim(mustNetwork(t, tt.network), mustPort(t, tt.port), PoolState{Connections: map[string]int{"e0": 1, "0000:00:01.0": 1}})
			if tt.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkRefusal(t, err, tt.kind, tt.text)
		})
	}
}
