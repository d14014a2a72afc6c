package wire

// Code is a libvirt error code, VIR_ERR_*.
type Code int32

// The codes that the network driver answers with.
const (
	CodeInternal             Code = 1
	CodeNoSupport            Code = 3
	CodeNoConnect            Code = 5
	CodeInvalidArg           Code = 8
	CodeOperationFailed      Code = 9
	CodeNoName               Code = 21
	CodeXMLError             Code = 27
	CodeOperationDenied      Code = 29
	CodeXMLDetail            Code = 35
	CodeSystemError          Code = 38
	CodeRPC                  Code = 39
	CodeNoNetwork            Code = 43
	CodeInvalidMAC           Code = 44
	CodeAuthFailed           Code = 45
	CodeOperationInvalid     Code = 55
	CodeConfigUnsupported    Code = 67
	CodeHookFailed           Code = 70
	CodeArgumentUnsupported  Code = 74
	CodeAuthCancelled        Code = 79
	CodeOverflow             Code = 82
	CodeOperationUnsupported Code = 84
	CodeService              Code = 89
	CodeXMLInvalidSchema     Code = 92
	CodeAuthUnavailable      Code = 94
	CodePortExists           Code = 106
	CodeNoPort               Code = 107
	CodeNoMetadata           Code = 111
)

// Domain is the part of libvirt that an error comes from, VIR_FROM_*.
type Domain int32

// The domains that the network driver answers with.
const (
	FromNone    Domain = 0
	FromRPC     Domain = 7
	FromNetwork Domain = 19
	FromDomain  Domain = 20
	FromURI     Domain = 45
	FromPolkit  Domain = 60
)

// LevelError is the level of every error reply.
const LevelError int32 = 2

// DomainRef names a guest in an Error; a network driver never fills it.
type DomainRef struct {
	Name string
	UUID UUID
	ID   int32
}

// Error is the payload of a failed reply. Message is the text for people.
type Error struct {
	Code    Code
	Domain  Domain
	Message *string
	Level   int32
	Guest   *DomainRef
	Str1    *string
	Str2    *string
	Str3    *string
	Int1    int32
	Int2    int32
	Network *Network
}

// Error returns the message.
func (e *Error) Error() string {
	if e.Message == nil {
		return "unknown error"
	}
	return *e.Message
}
