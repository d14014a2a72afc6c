package wire

// The arguments and results of the procedures. Where a procedure takes or
// returns one bare value, that value's type is used: an int32, a string, a
// UUID, a Network, a slice of them. Empty stands for none.

// Empty is no argument or no result.
type Empty struct{}

// UUID is a network's or port's identity.
type UUID [16]byte

// Network names a network; servers look at the UUID only.
type Network struct {
	Name string
	UUID UUID
}

// OpenReadOnly is the flag of ConnectOpen.
const OpenReadOnly uint32 = 1

// OpenArgs are ConnectOpen's.
type OpenArgs struct {
	URI   *string
	Flags uint32
}

// The authentication types that AuthList returns.
const (
	AuthNone     int32 = 0
	AuthSASL     int32 = 1
	AuthByPolkit int32 = 2
)

// The features that ConnectSupportsFeature is asked for
// (libvirt's src/libvirt_internal.h).
const (
	FeatureFDPassing            int32 = 8
	FeatureTypedParamString     int32 = 9
	FeatureKeepalive            int32 = 10
	FeatureRemoteEventCallback  int32 = 14
	FeatureRemoteCloseCallback  int32 = 15
	FeatureNetworkUpdateOrdered int32 = 16
)

// SetIdentityArgs are ConnectSetIdentity's: who the caller acts for.
type SetIdentityArgs struct {
	Params []TypedParam `max:"20"`
	Flags  uint32
}

// The flags of ListAllArgs. Those of one group (active, persistent,
// autostart) are alternatives; a group without any does not filter.
const (
	ListInactive uint32 = 1 << iota
	ListActive
	ListPersistent
	ListTransient
	ListAutostart
	ListNoAutostart
)

// MaxNetworks is how many networks one reply can list.
const MaxNetworks = 16384

// ListAllArgs are ConnectListAllNetworks'; with NeedResults 0 only the count
// is returned.
type ListAllArgs struct {
	NeedResults int32
	Flags       uint32
}

// ListAllRet is the result of ConnectListAllNetworks.
type ListAllRet struct {
	Networks []Network `max:"16384"`
	Count    uint32
}

// ListNamesRet is the result of ConnectListNetworks and
// ConnectListDefinedNetworks.
type ListNamesRet struct {
	Names []string `max:"16384"`
}

// XMLValidate is the flag of XMLFlagsArgs: refuse what the schema does not
// know.
const XMLValidate uint32 = 1

// XMLFlagsArgs are those of NetworkDefineXMLFlags and NetworkCreateXMLFlags.
type XMLFlagsArgs struct {
	XML   string
	Flags uint32
}

// XMLInactive is the flag of GetXMLArgs: the definition on disk.
const XMLInactive uint32 = 1

// GetXMLArgs are NetworkGetXMLDesc's.
type GetXMLArgs struct {
	Network Network
	Flags   uint32
}

// SetAutostartArgs are NetworkSetAutostart's; Autostart is 0 or 1.
type SetAutostartArgs struct {
	Network   Network
	Autostart int32
}

// The kinds of network events.
const (
	EventLifecycle      int32 = 0
	EventMetadataChange int32 = 1
)

// EventRegisterArgs are NetworkEventRegisterAny's; a nil Network is all.
type EventRegisterArgs struct {
	EventID int32
	Network *Network
}

// LifecycleEvent is the message NetworkEventLifecycle. Event is 0 defined,
// 1 undefined, 2 started, 3 stopped; Detail is 0.
type LifecycleEvent struct {
	CallbackID int32
	Network    Network
	Event      int32
	Detail     int32
}

// GetLeasesArgs are NetworkGetDHCPLeases'; a nil MAC is all.
type GetLeasesArgs struct {
	Network     Network
	MAC         *string
	NeedResults int32
	Flags       uint32
}

// The address families of a Lease.
const (
	LeaseIPv4 int32 = 0
	LeaseIPv6 int32 = 1
)

// Lease is a DHCP lease. Expiry is in seconds since 1970, 0 for never; IAID
// is decimal; ClientID is hexadecimal bytes with colons.
type Lease struct {
	Link     string
	Expiry   int64
	Type     int32
	MAC      *string
	IAID     *string
	Addr     string
	Prefix   uint32
	Hostname *string
	ClientID *string
}

// GetLeasesRet is the result of NetworkGetDHCPLeases.
type GetLeasesRet struct {
	Leases []Lease `max:"65536"`
	Count  uint32
}
