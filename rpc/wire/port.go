package wire

// Port names a network port.
type Port struct {
	Network Network
	UUID    UUID
}

// ListPortsArgs are NetworkListAllPorts'; with NeedResults 0 only the count is
// returned.
type ListPortsArgs struct {
	Network     Network
	NeedResults int32
	Flags       uint32
}

// ListPortsRet is the result of NetworkListAllPorts.
type ListPortsRet struct {
	Ports []Port `max:"16384"`
	Count uint32
}

// The flags of PortCreateArgs.
const (
	PortReclaim  uint32 = 1
	PortValidate uint32 = 2
)

// PortCreateArgs are NetworkPortCreateXML's.
type PortCreateArgs struct {
	Network Network
	XML     string
	Flags   uint32
}

// PortGetParamsArgs are NetworkPortGetParameters'; Count is not looked at.
type PortGetParamsArgs struct {
	Port  Port
	Count int32
	Flags uint32
}

// PortGetParamsRet is the result of NetworkPortGetParameters.
type PortGetParamsRet struct {
	Params []TypedParam `max:"16"`
	Count  int32
}

// PortSetParamsArgs are NetworkPortSetParameters'.
type PortSetParamsArgs struct {
	Port   Port
	Params []TypedParam `max:"16"`
	Flags  uint32
}

// PortFlagsArgs are those of NetworkPortGetXMLDesc and NetworkPortDelete; no
// flag is known.
type PortFlagsArgs struct {
	Port  Port
	Flags uint32
}
