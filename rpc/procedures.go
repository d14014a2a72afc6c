package rpc

import (
	"context"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// procedure is one that we serve.
type procedure struct {
	anonymous bool // may be called before authentication
	run       func(c *client, ctx context.Context, payload []byte) (any, error)
}

type procedures map[wire.Proc]procedure

// programs are all that are served on a connection, by number and version.
type programs map[[2]uint32]procedures

func newPrograms() programs {
	return programs{
		{wire.ProgramRemote, wire.ProgramVersion}: newProcedures(),
		{wire.ProgramOwn, wire.ProgramOwnVersion}: ownProcedures(),
	}
}

// ownProcedures are what libvirt's protocol cannot say.
func ownProcedures() procedures {
	return procedures{
		wire.OwnDefineLive: handle(writing("DEFINE_LIVE"), (*client).defineLive),
		wire.OwnAdopt:      handle(writing("ADOPT"), (*client).adopt),
		wire.OwnRelease:    handle(writing("RELEASE"), (*client).release),
		wire.OwnPortAttach: handle(writing("PORT_ATTACH"), (*client).portAttach),
		wire.OwnPortDetach: handle(writing("PORT_DETACH"), (*client).portDetach),
		wire.OwnPortList:   handle(reading, (*client).portList),
		wire.OwnHistory:    handle(reading, (*client).history),

		wire.OwnListAttached:   handle(reading, (*client).listAttached),
		wire.OwnListNeighbours: handle(reading, (*client).listNeighbours),
	}
}

// newProcedures is the table of all we serve of libvirt's program. What is not here is answered
// with "unknown procedure", on which clients fall back to others.
func newProcedures() procedures {
	return procedures{
		wire.AuthList:   anonymous((*client).authList),
		wire.AuthPolkit: anonymous((*client).authPolkit),

		wire.ConnectOpen:            handle(always, (*client).open),
		wire.ConnectClose:           handle(always, (*client).goodbye),
		wire.ConnectSupportsFeature: handle(always, (*client).supportsFeature),

		wire.ConnectGetType:                 handle(afterOpen, (*client).getType),
		wire.ConnectGetURI:                  handle(afterOpen, (*client).getURI),
		wire.ConnectIsSecure:                handle(afterOpen, (*client).isSecure),
		wire.ConnectGetLibVersion:           handle(afterOpen, (*client).getLibVersion),
		wire.ConnectSetIdentity:             handle(afterOpen, (*client).setIdentity),
		wire.ConnectRegisterCloseCallback:   handle(afterOpen, (*client).closeCallback),
		wire.ConnectUnregisterCloseCallback: handle(afterOpen, (*client).closeCallback),

		// Of guests and hosts, which a network driver knows nothing about.
		wire.ConnectGetVersion:      unsupported[wire.Empty]("virConnectGetVersion"),
		wire.ConnectGetCapabilities: unsupported[wire.Empty]("virConnectGetCapabilities"),
		wire.ConnectListDomains:     unsupported[int32]("virConnectListDomains"),
		wire.ConnectNumOfDomains:    unsupported[wire.Empty]("virConnectNumOfDomains"),
		wire.ConnectGetHostname:     unsupported[wire.Empty]("virConnectGetHostname"),

		wire.ConnectListAllNetworks:      handle(reading, (*client).listAll),
		wire.ConnectListNetworks:         handle(reading, (*client).listActive),
		wire.ConnectListDefinedNetworks:  handle(reading, (*client).listInactive),
		wire.ConnectNumOfNetworks:        handle(reading, (*client).countActive),
		wire.ConnectNumOfDefinedNetworks: handle(reading, (*client).countInactive),

		wire.NetworkLookupByName:  handle(reading, (*client).lookupByName),
		wire.NetworkLookupByUUID:  handle(reading, (*client).lookupByUUID),
		wire.NetworkGetXMLDesc:    handle(reading, (*client).getXML),
		wire.NetworkGetAutostart:  handle(reading, (*client).getAutostart),
		wire.NetworkGetBridgeName: handle(reading, (*client).getBridgeName),
		wire.NetworkIsActive:      handle(reading, (*client).isActive),
		wire.NetworkIsPersistent:  handle(reading, (*client).isPersistent),
		wire.NetworkGetDHCPLeases: handle(reading, (*client).getLeases),

		wire.NetworkListAllPorts:      handle(reading, (*client).listPorts),
		wire.NetworkPortLookupByUUID:  handle(reading, (*client).lookupPort),
		wire.NetworkPortGetXMLDesc:    handle(reading, (*client).getPortXML),
		wire.NetworkPortGetParameters: handle(reading, (*client).getPortParams),
		wire.NetworkPortCreateXML:     handle(writing("virNetworkPortCreateXML"), (*client).createPort),
		wire.NetworkPortSetParameters: handle(writing("virNetworkPortSetParameters"), (*client).setPortParams),
		wire.NetworkPortDelete:        handle(writing("virNetworkPortDelete"), (*client).deletePort),

		wire.NetworkDefineXML:      handle(writing("virNetworkDefineXML"), (*client).define),
		wire.NetworkDefineXMLFlags: handle(writing("virNetworkDefineXMLFlags"), (*client).defineFlags),
		wire.NetworkCreateXML:      handle(writing("virNetworkCreateXML"), (*client).create),
		wire.NetworkCreateXMLFlags: handle(writing("virNetworkCreateXMLFlags"), (*client).createFlags),
		wire.NetworkCreate:         handle(writing("virNetworkCreate"), (*client).start),
		wire.NetworkDestroy:        handle(writing("virNetworkDestroy"), (*client).destroy),
		wire.NetworkUndefine:       handle(writing("virNetworkUndefine"), (*client).undefine),
		wire.NetworkSetAutostart:   handle(writing("virNetworkSetAutostart"), (*client).setAutostart),

		wire.NetworkUpdate:      handle(writing("virNetworkUpdate"), (*client).update),
		wire.NetworkSetMetadata: handle(writing("virNetworkSetMetadata"), (*client).setMetadata),
		wire.NetworkGetMetadata: handle(reading, (*client).getMetadata),

		wire.NetworkEventRegisterAny:   handle(reading, (*client).registerEvent),
		wire.NetworkEventDeregisterAny: handle(reading, (*client).deregisterEvent),
	}
}

// handle makes a procedure of a method: its arguments are decoded, then check
// says whether this client may call it now.
func handle[A, R any](check func(*client) error, fn func(*client, context.Context, A) (R, error)) procedure {
	return procedure{run: func(c *client, ctx context.Context, payload []byte) (any, error) {
		var args A
		if err := wire.Unmarshal(payload, &args); err != nil {
			c.log.Debug("undecodable call", "err", err)
			return nil, failure(wire.FromRPC, wire.CodeRPC, "Unable to decode message payload")
		}
		if err := check(c); err != nil {
			return nil, err
		}
		return fn(c, ctx, args)
	}}
}

// anonymous is handle for what comes before authentication.
func anonymous[A, R any](fn func(*client, context.Context, A) (R, error)) procedure {
	p := handle(always, fn)
	p.anonymous = true
	return p
}

// unsupported is a procedure of libvirt's that the network driver lacks.
func unsupported[A any](function string) procedure {
	return handle(afterOpen, func(*client, context.Context, A) (wire.Empty, error) {
		return wire.Empty{}, failure(wire.FromDomain, wire.CodeNoSupport, function)
	})
}

func always(*client) error { return nil }

func afterOpen(c *client) error {
	if !c.isOpen() {
		return failure(wire.FromRPC, wire.CodeInternal, "hypervisor connection not open")
	}
	return nil
}

func reading(c *client) error {
	if !c.isOpen() {
		return failure(wire.FromRPC, wire.CodeInternal, "connection not open")
	}
	return nil
}

// writing refuses read-only connections; function is libvirt's name of the
// call in that refusal.
func writing(function string) func(*client) error {
	return func(c *client) error {
		if err := reading(c); err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.readOnly {
			return failure(wire.FromNetwork, wire.CodeOperationDenied, "read only access prevents "+function)
		}
		return nil
	}
}

// call finds the procedure of f and runs it, with libvirt's order of checks
// (src/rpc/virnetserverprogram.c).
func (c *client) call(ctx context.Context, f wire.Frame) (any, error) {
	procedures, ok := c.srv.programs[[2]uint32{f.Program, f.Version}]
	if !ok {
		return nil, failuref(wire.FromRPC, wire.CodeRPC, "Cannot find program %d version %d", int32(f.Program), int32(f.Version))
	}
	if f.Status != wire.OK {
		return nil, failuref(wire.FromRPC, wire.CodeRPC, "Unexpected message status %d", uint32(f.Status))
	}
	p, ok := procedures[f.Proc]
	if !ok {
		return nil, failuref(wire.FromRPC, wire.CodeRPC, "unknown procedure: %d", int32(f.Proc))
	}
	if !p.anonymous && !c.isAuthenticated() {
		return nil, failure(wire.FromRPC, wire.CodeRPC, "authentication required")
	}
	return p.run(c, ctx, f.Payload)
}

func (c *client) isAuthenticated() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.authenticated
}
