// Package xmlnet reads and writes libvirt's network XML: text to a typed
// Network that cannot hold nonsense, and back to the form that
// "virsh net-dumpxml" prints.
package xmlnet

import (
	"net"
	"net/netip"
	"time"
)

// Network is one network definition, as libvirt 11 understands it.
type Network struct {
	Name string
	// UUID is the zero value when the document had none; Complete makes one.
	UUID                UUID
	Title               string
	Description         string
	Metadata            []Metadata // nil: no <metadata>
	IPv6                bool       // network/@ipv6: guests may use IPv6 among themselves without an IPv6 address
	TrustGuestRxFilters Tristate

	Forward     Forward
	Bridge      Bridge
	MTU         uint32           // 0: the kernel's default
	MAC         net.HardwareAddr // nil: none given
	Domain      Domain
	DNS         DNS
	VLAN        *VLAN
	Bandwidth   *Bandwidth
	Isolated    Tristate // port/@isolated
	IPs         []IP
	Routes      []Route
	VirtualPort *VirtualPort
	PortGroups  []PortGroup

	// DNSMasqOptions are the values of the dnsmasq namespace, in order.
	DNSMasqOptions []string
}

// Tristate is a yes/no attribute that may also be absent.
type Tristate uint8

// The three states; Unset is not printed.
const (
	Unset Tristate = iota
	Yes
	No
)

// Or returns t as a bool, and def when it is unset.
func (t Tristate) Or(def bool) bool {
	if t == Unset {
		return def
	}
	return t == Yes
}

// Metadata is one child of <metadata>, kept verbatim.
type Metadata struct {
	Namespace string // URI
	XML       string // the whole element; well-formed by itself
}

// ForwardMode says how a network reaches the outside.
type ForwardMode uint8

// libvirt's forward modes; no <forward> element is Isolated.
const (
	Isolated ForwardMode = iota
	NAT
	RouteMode
	Open
	BridgeMode
	Private
	VEPA
	Passthrough
	Hostdev
)

// OwnBridge tells whether networks of this mode have a bridge of their own,
// created when they start.
func (m ForwardMode) OwnBridge() bool { return m <= Open }

// Forward is the <forward> element.
type Forward struct {
	Mode    ForwardMode
	Managed bool // hostdev only

	Driver      string // driver/@name
	DriverModel string
	NATIPv6     Tristate
	NATAddrs    *AddrRange
	NATPorts    *PortRange
	PF          string
	Interfaces  []string     // interface/@dev; the first is forward/@dev
	Addresses   []PCIAddress // hostdev pool
}

// AddrRange is an inclusive range of addresses of one family.
type AddrRange struct{ Start, End netip.Addr }

// PortRange is an inclusive range of TCP or UDP ports.
type PortRange struct{ Start, End uint16 }

// PCIAddress is a device of a hostdev pool.
type PCIAddress struct {
	Domain   uint32
	Bus      uint8
	Slot     uint8
	Function uint8
}

// MACTableManager says who fills the bridge's forwarding database.
type MACTableManager uint8

// The values of bridge/@macTableManager.
const (
	MACTableUnset MACTableManager = iota
	MACTableKernel
	MACTableLibvirt
)

// Bridge is the <bridge> element.
type Bridge struct {
	Name            string // "" until Complete allocates one; may hold one %d before that
	Zone            string
	STPOff          bool
	Delay           uint32 // seconds
	MACTableManager MACTableManager
}

// Domain is the DNS domain of the network.
type Domain struct {
	Name      string
	LocalOnly Tristate
	Register  Tristate
}

// DNS is the <dns> element.
type DNS struct {
	Enable            Tristate
	ForwardPlainNames Tristate
	Forwarders        []Forwarder
	TXT               []TXT
	SRV               []SRV
	Hosts             []DNSHost
}

// Forwarder sends queries (for Domain, if set) to Addr; a zero Addr with a
// Domain means the host's usual upstreams.
type Forwarder struct {
	Domain string
	Addr   netip.Addr
}

// TXT is one dns/txt record.
type TXT struct{ Name, Value string }

// SRV is one dns/srv record; zero numbers and an empty Target are absent.
type SRV struct {
	Service, Protocol, Domain, Target string
	Port, Priority, Weight            uint16
}

// DNSHost gives names to an address.
type DNSHost struct {
	Addr  netip.Addr
	Names []string
}

// IP is one <ip> element. Prefix holds the address and the effective prefix
// length, whichever way it was written.
type IP struct {
	Prefix netip.Prefix // address (not masked) and length
	Text   IPText
	Local  Tristate // localPtr

	TFTPRoot string
	Ranges   []Range
	Hosts    []Host
	Bootp    *Bootp
}

// HasDHCP tells whether ip has DHCP, to print and to serve.
func (ip *IP) HasDHCP() bool { return len(ip.Ranges) > 0 || len(ip.Hosts) > 0 }

// IPText is how address and length were written, for printing.
type IPText struct {
	Family    string // "", "ipv4" or "ipv6"
	Netmask   string // its address, "" if none was given
	HasPrefix bool   // prefix attribute given
	// BadNetmask holds when Netmask is not contiguous: such a network can
	// be defined but not started, as with libvirt. The prefix length is 32
	// then.
	BadNetmask bool
}

// Lease is a lease time; nil pointers mean the default.
type Lease struct {
	Expiry uint64 // in Unit; 0 is infinite
	Unit   LeaseUnit
}

// LeaseUnit is the unit of a lease time as written; the zero value is minutes.
type LeaseUnit uint8

// Lease units.
const (
	Minutes LeaseUnit = iota
	Seconds
	Hours
)

// Duration returns the lease time; ok is false when it is infinite.
func (l Lease) Duration() (d time.Duration, ok bool) {
	unit := time.Minute
	switch l.Unit {
	case Seconds:
		unit = time.Second
	case Hours:
		unit = time.Hour
	}
	const longest = uint64(1<<32-2) * uint64(time.Second)
	if l.Expiry == 0 {
		return 0, false
	}
	if l.Expiry > longest/uint64(unit) {
		return time.Duration(longest), true
	}
	return time.Duration(l.Expiry) * unit, true
}

// Range is a dhcp/range.
type Range struct {
	AddrRange
	Lease *Lease
}

// Host is a dhcp/host: a reservation.
type Host struct {
	MAC     net.HardwareAddr // nil if none
	MACText string           // as written
	ID      string           // DHCPv6 DUID or (IPv4: kept, no effect) client id
	Name    string
	Addr    netip.Addr // zero if none (IPv6 only)
	Lease   *Lease
}

// Bootp is a dhcp/bootp.
type Bootp struct {
	File   string
	Server netip.Addr // zero if none
}

// Route is a static route through the bridge.
type Route struct {
	Dst     netip.Prefix
	Gateway netip.Addr
	Metric  uint32 // 0: none given
	Text    IPText
}

// VLAN is a <vlan> element.
type VLAN struct {
	Trunk bool
	Tags  []VLANTag
}

// VLANTag is one tag of a VLAN.
type VLANTag struct {
	ID         uint16
	NativeMode string // "", "tagged" or "untagged"
}

// Bandwidth limits traffic; nil directions are not limited.
type Bandwidth struct {
	Inbound, Outbound *Rate
	ClassID           uint32 // ports only
}

// Rate is one direction: KiB/s, and KiB for Burst. 0 is absent.
type Rate struct{ Average, Peak, Burst, Floor uint64 }

// VirtualPort is a <virtualport> element; pointers are absent when nil.
type VirtualPort struct {
	Type          string // "802.1Qbg", "802.1Qbh", "openvswitch", "midonet", "" in a portgroup
	ManagerID     *uint8
	TypeID        *uint32
	TypeIDVersion *uint8
	InstanceID    *UUID
	InterfaceID   *UUID
	ProfileID     *string
}

// PortGroup is a class of ports of the network.
type PortGroup struct {
	Name                string
	Default             bool
	TrustGuestRxFilters Tristate
	VLAN                *VLAN
	VirtualPort         *VirtualPort
	Bandwidth           *Bandwidth
}
