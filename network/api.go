// Package network runs networks: it is the only package that changes
// anything on the host, and where all facts meet.
package network

import (
	"errors"

	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Ref names a network.
type Ref struct {
	Name string
	UUID xmlnet.UUID
}

// Info is a network's state.
type Info struct {
	Ref
	Title      string
	Bridge     string // "" if it has none
	Active     bool
	Persistent bool
	Autostart  bool
	Ports      int
}

// EventKind is a step in a network's life, numbered as libvirt's
// virNetworkEventLifecycleType.
type EventKind int32

// The lifecycle events.
const (
	Defined EventKind = iota
	Undefined
	Started
	Stopped
)

// Event is something that happened to a network: a step in its life, or, with
// Metadata, a change of its metadata.
type Event struct {
	Network  Ref
	Kind     EventKind
	Metadata *MetadataChange // nil: Kind says what happened
}

// Lease is a DHCP lease as clients list it.
type Lease struct {
	lease.Lease
	Link      string // the bridge
	PrefixLen int
}

// Errors that callers tell apart. They are wrapped in an Error, whose text is
// libvirt's.
var (
	ErrNotFound         = errors.New("network not found")         // 43
	ErrOperationInvalid = errors.New("operation invalid")         // 55
	ErrOperationFailed  = errors.New("operation failed")          // 9
	ErrInternal         = errors.New("internal error")            // 1
	ErrUnsupported      = errors.New("unsupported configuration") // 67
	ErrInvalidArg       = errors.New("invalid argument")          // 8
	ErrSystem           = errors.New("system error")              // 38
	ErrHook             = errors.New("hook script failed")        // 70
	ErrService          = errors.New("error from service")        // 89
	ErrInvalidMAC       = errors.New("invalid MAC address")       // 44
	ErrNoPort           = errors.New("network port not found")    // 107
	ErrPortExists       = errors.New("network port exists")       // 106
	ErrNoMetadata       = errors.New("metadata not found")        // 111
)

// Error is an error for a client: Text is the message after libvirt's prefix
// for the code ("Requested operation is not valid: " and so on).
type Error struct {
	Kind  error // one of the sentinels above
	Text  string
	Errno int // with ErrSystem, if known
}

func (e *Error) Error() string { return e.Text }

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.Kind }
