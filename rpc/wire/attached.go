package wire

// OwnListAttached lists the ports of an active network and who is behind them,
// OwnListNeighbours what its bridge has learned. Their arguments are
// AttachedArgs, their results AttachedRet and NeighboursRet.
const (
	OwnListAttached   Proc = 40
	OwnListNeighbours Proc = 41
)

// AttachedArgs names an active network; no flag is known.
type AttachedArgs struct {
	Network Network
	Flags   uint32
}

// Attached is a port of a network and who is behind it. What is not known is
// empty; Addrs are separated by commas.
type Attached struct {
	UUID     UUID
	Domain   string
	MAC      string
	Link     string
	Addrs    string
	Hostname string
}

// AttachedRet is the result of OwnListAttached.
type AttachedRet struct {
	Ports []Attached `max:"16384"`
}

// Neighbour is an address that a bridge knows to be behind a port, and who has
// it. Age is in seconds; a static entry has none.
type Neighbour struct {
	MAC      string
	Link     string
	VLAN     uint32
	Static   int32
	Age      uint32
	Domain   string
	Addrs    string
	Hostname string
}

// NeighboursRet is the result of OwnListNeighbours.
type NeighboursRet struct {
	Neighbours []Neighbour `max:"65536"`
}
