package wire

// OwnPortAttach, OwnPortDetach and OwnPortList are about guests' links that are
// ports without libvirt. Their arguments are PortAttachArgs, PortDetachArgs and
// a Network; their results an AttachedPort, none and a PortListRet.
const (
	OwnPortAttach Proc = 50
	OwnPortDetach Proc = 51
	OwnPortList   Proc = 52
)

// The flags of PortAttachArgs and AttachedPort.
const (
	AttachExisting   uint32 = 1 << iota // the tap is there already
	AttachMultiQueue                    // it can be opened once for each queue
	AttachVNetHdr                       // with offload headers
	AttachNoAddr                        // no address is kept
	AttachNameIfFree                    // without the name if it is another's
	AttachMACRule                       // only its own addresses may send
	AttachIsolated                      // from other isolated ports
	AttachedBefore                      // of AttachedPort only
)

// PortAttachArgs ask for a guest's link to be a port; what is empty is left
// to the daemon.
type PortAttachArgs struct {
	Network     Network
	Link        string
	Netns       string // name, process or file
	GuestLink   string // in the namespace
	MAC         string
	Addr, Addr6 string
	Name        string
	PortGroup   string
	Key         string
	User, Group *uint32 // may open the tap
	Inbound     *PortRate
	Outbound    *PortRate
	Flags       uint32
}

// PortRate is a limit as in port XML.
type PortRate struct{ Average, Peak, Burst, Floor uint64 }

// AttachedPort is what a port is, and what its guest must know.
type AttachedPort struct {
	UUID      UUID
	Network   Network
	Link      string
	Bridge    string
	Netns     string
	GuestLink string
	MAC       string
	MTU       uint32
	Name      string
	Domain    string
	Key       string
	User      *uint32
	Group     *uint32
	Addrs     []string `max:"64"` // with lengths
	Gateways  []string `max:"64"`
	Resolvers []string `max:"64"`
	Flags     uint32
}

// PortDetachArgs name a port.
type PortDetachArgs struct {
	Network Network
	UUID    UUID
}

// PortListRet are a network's attached links, sorted by name.
type PortListRet struct {
	Ports []AttachedPort `max:"65536"`
}
