package rpc

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// libVersion is the libvirt whose behaviour we have, 11.3.0, as
// major·10⁶ + minor·10³ + micro.
const libVersion uint64 = 11_003_000

// systemURI is the one thing that can be opened.
const systemURI = "network:///system"

// features are those we have. The last must be there: without it clients
// swap two arguments of NetworkUpdate.
var features = map[int32]bool{
	wire.FeatureFDPassing:            true,
	wire.FeatureTypedParamString:     true,
	wire.FeatureKeepalive:            true,
	wire.FeatureRemoteEventCallback:  true,
	wire.FeatureRemoteCloseCallback:  true,
	wire.FeatureNetworkUpdateOrdered: true,
}

// open opens the connection, read-only if the socket or the client says so.
// As in libvirt, unknown flags are let pass.
func (c *client) open(_ context.Context, args wire.OpenArgs) (wire.Empty, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened {
		return wire.Empty{}, failure(wire.FromRPC, wire.CodeInternal, "connection already open")
	}
	if err := checkURI(args.URI); err != nil {
		return wire.Empty{}, err
	}
	c.opened = true
	c.readOnly = c.readOnly || args.Flags&wire.OpenReadOnly != 0
	return wire.Empty{}, nil
}

// checkURI refuses all but the system's networks, as libvirt's daemon does
// with the network driver alone; without a URI it finds no driver either.
func checkURI(name *string) error {
	if name == nil || *name == "" {
		return failure(wire.FromNone, wire.CodeNoConnect, "<null>")
	}
	uri, err := url.Parse(*name)
	switch {
	case err != nil:
		return failure(wire.FromURI, wire.CodeInternal, "Unable to parse URI "+*name)
	case uri.Scheme != "network" || uri.Host != "":
		return failure(wire.FromNone, wire.CodeNoConnect, *name)
	case uri.Path != "/system":
		return failuref(wire.FromNone, wire.CodeInternal, "unexpected network URI path '%s', try %s", uri.Path, systemURI)
	}
	return nil
}

// goodbye has nothing to do: the connection is closed behind the reply.
func (c *client) goodbye(context.Context, wire.Empty) (wire.Empty, error) {
	return wire.Empty{}, nil
}

// supportsFeature starts to ping a client that asks for keepalive, which it
// may do before it opens the connection.
func (c *client) supportsFeature(_ context.Context, feature int32) (int32, error) {
	if feature == wire.FeatureKeepalive {
		c.startKeepalive()
	} else if err := afterOpen(c); err != nil {
		return 0, err
	}
	return number(features[feature]), nil
}

func (c *client) getType(context.Context, wire.Empty) (string, error) { return "network", nil }

func (c *client) getURI(context.Context, wire.Empty) (string, error) { return systemURI, nil }

// isSecure is 1: nobody can listen in on a UNIX socket.
func (c *client) isSecure(context.Context, wire.Empty) (int32, error) { return 1, nil }

func (c *client) getLibVersion(context.Context, wire.Empty) (uint64, error) { return libVersion, nil }

// closeCallback is asked for news that the connection to a hypervisor broke.
// We have none that could.
func (c *client) closeCallback(context.Context, wire.Empty) (wire.Empty, error) {
	return wire.Empty{}, nil
}

// identityKinds are the keys of an identity and their types. system.token is
// what virtqemud adds for work of its own.
var identityKinds = map[string]uint32{
	"user-name":               wire.ParamString,
	"unix-user-id":            wire.ParamUint64,
	"group-name":              wire.ParamString,
	"unix-group-id":           wire.ParamUint64,
	"process-id":              wire.ParamInt64,
	"process-time":            wire.ParamUint64,
	"sasl-user-name":          wire.ParamString,
	"x509-distinguished-name": wire.ParamString,
	"selinux-context":         wire.ParamString,
	"system.token":            wire.ParamString,
}

// setIdentity checks whom the caller says it acts for and leaves it at that:
// rights come from the socket's peer alone.
func (c *client) setIdentity(_ context.Context, args wire.SetIdentityArgs) (wire.Empty, error) {
	if err := checkFlags(args.Flags, 0, wire.FromRPC, "remoteDispatchConnectSetIdentity"); err != nil {
		return wire.Empty{}, err
	}
	for _, p := range args.Params {
		kind, ok := identityKinds[p.Field]
		if !ok {
			return wire.Empty{}, failuref(wire.FromNone, wire.CodeArgumentUnsupported, "parameter '%s' not supported", p.Field)
		}
		if p.Kind() != kind {
			return wire.Empty{}, failuref(wire.FromNone, wire.CodeInvalidArg, "invalid type '%s' for parameter '%s', expected '%s'",
				wire.ParamName(p.Kind()), p.Field, wire.ParamName(kind))
		}
	}
	return wire.Empty{}, nil
}

// number is how the protocol says yes and no.
func number(yes bool) int32 {
	if yes {
		return 1
	}
	return 0
}

// refusals remembers of whom a refusal was logged lately: a user who tries on
// and on fills no log.
type refusals struct {
	mu   sync.Mutex // guards last
	last map[uint32]time.Time
}

const (
	refusalInterval = time.Minute
	maxRefused      = 1024 // users remembered
)

// worthALine tells whether to log that a user was refused.
func (r *refusals) worthALine(uid uint32, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, known := r.last[uid]; known && now.Sub(last) < refusalInterval {
		return false
	}
	if r.last == nil || len(r.last) >= maxRefused {
		r.last = make(map[uint32]time.Time)
	}
	r.last[uid] = now
	return true
}
