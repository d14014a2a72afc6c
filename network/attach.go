package network

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Attach makes a guest's link a port of an active network, and keeps it one
// until Detach: past the end of the daemon, of the network and of the host's
// boot. Asking again for what is attached gets what is there; asking for it
// otherwise is refused (ErrOperationInvalid). If it fails, nothing was made.
func (m *Manager) Attach(ctx context.Context, id xmlnet.UUID, req AttachRequest) (AttachedLink, error) {
	m.change.Lock()
	defer m.change.Unlock()
	e, err := m.lookup(id)
	if err != nil {
		return AttachedLink{}, err
	}
	if e.live == nil {
		return AttachedLink{}, invalid("network '%s' is not active", e.ref().Name)
	}
	if err := attachable(e.live); err != nil {
		return AttachedLink{}, err
	}
	ns, err := m.openNetns(req)
	if err != nil {
		return AttachedLink{}, err
	}
	if ns != nil {
		defer ns.Close()
	}
	have, err := m.host.Observe(ctx)
	if err != nil {
		return AttachedLink{}, fmt.Errorf("observe the host: %w", err)
	}
	if known, err := m.attachedAs(e, req, ns); known != nil || err != nil {
		if err != nil {
			return AttachedLink{}, err
		}
		d := describe(e.live, known, have)
		d.Known = true
		return d, nil
	}
	a, err := m.complyWith(ctx, e, req, ns, have)
	if err != nil {
		return AttachedLink{}, err
	}
	// From here on it is finished, whether the client waits or not.
	if err := m.attach(context.WithoutCancel(ctx), e, a, ns); err != nil {
		return AttachedLink{}, attachError(err)
	}
	m.log.Info("link attached", "network", e.live.Name, "link", a.Link, "mac", a.MAC.String(), "addr", a.Addr)
	return describe(e.live, a, have), nil
}

// attachable refuses networks whose ports are no bridge's.
func attachable(n *xmlnet.Network) error {
	mode := n.Forward.Mode
	if mode.OwnBridge() || mode == xmlnet.BridgeMode && n.Bridge.Name != "" {
		if n.VirtualPort != nil && n.VirtualPort.Type == "openvswitch" {
			return unsupported("network '%s' is of Open vSwitch, which is not told of links here", n.Name)
		}
		return nil
	}
	return unsupported("network '%s' has forward mode '%s' and no bridge, which links could be attached to", n.Name, mode)
}

func unsupported(format string, args ...any) error {
	return &Error{Kind: ErrUnsupported, Text: fmt.Sprintf(format, args...)}
}

// complyWith decides what a request gets. Nothing is changed by it.
func (m *Manager) complyWith(ctx context.Context, e *entry, req AttachRequest, ns *netns, have bridge.Host) (*port.Attachment, error) {
	a := &port.Attachment{
		UUID: xmlnet.NewUUID(), Network: e.live.UUID, MAC: req.MAC, Name: req.Name, MACRule: req.MACRule,
		Isolated: req.Isolated, Group: req.PortGroup, Bandwidth: req.Bandwidth, Key: req.Key, Addr6: req.Addr6,
	}
	for _, decide := range []func() error{
		func() error { return m.chooseMAC(e, a) },
		func() error { return m.chooseLink(ctx, a, req, ns, have) },
		func() error { return m.chooseAddr(e, a, req) },
		func() error { return m.checkAddr6(e, a) },
		func() error { return m.checkName(e, a, req) },
		func() error { return checkPortGroup(e.live, a.Group) },
	} {
		if err := decide(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// chooseMAC makes an address of QEMU's range if none was asked for. One that
// another guest of the network has is refused: they could not both be reached.
func (m *Manager) chooseMAC(e *entry, a *port.Attachment) error {
	taken := func(mac net.HardwareAddr) bool {
		return slices.Equal(mac, e.live.MAC) ||
			slices.ContainsFunc(e.ports.all(), func(p *port.Port) bool { return slices.Equal(p.MAC, mac) })
	}
	if a.MAC != nil {
		switch {
		case len(a.MAC) != 6 || a.MAC[0]&1 != 0 || slices.Equal(a.MAC, make(net.HardwareAddr, 6)):
			return &Error{Kind: ErrInvalidMAC, Text: a.MAC.String()}
		case taken(a.MAC):
			return invalid("a port of network '%s' has the MAC address %s already", e.live.Name, a.MAC)
		}
		return nil
	}
	for a.MAC == nil || taken(a.MAC) {
		a.MAC = net.HardwareAddr{0x52, 0x54, 0, 0, 0, 0}
		if _, err := rand.Read(a.MAC[3:]); err != nil {
			return err
		}
	}
	return nil
}

// chooseLink decides on the host's link.
func (m *Manager) chooseLink(ctx context.Context, a *port.Attachment, req AttachRequest, ns *netns, have bridge.Host) error {
	if req.Existing {
		return m.takeTap(ctx, a, req)
	}
	a.Link = req.Link
	if a.Link == "" {
		a.Link = fmt.Sprintf("vnm%x", a.UUID[:5])
	}
	if err := bridge.CheckName(a.Link); err != nil {
		return invalidArg("'%.60s' cannot be a link's name", a.Link)
	}
	if slices.ContainsFunc(have.Links, func(l bridge.Link) bool { return l.Name == a.Link }) {
		return invalid("there is a link '%s' already; a tap that is there is attached with --existing", a.Link)
	}
	if other := m.attachedNow().find(func(o *port.Attachment) bool { return o.Link == a.Link }); other != nil {
		return invalid("there is a link '%s' attached already, though it is away", a.Link)
	}
	if ns != nil {
		id := ns.ID()
		a.Netns = &port.Netns{Path: ns.path, Name: ns.name, Link: guestLinkName(req), Dev: id.Dev, Inode: id.Inode}
		if err := bridge.CheckName(a.Netns.Link); err != nil {
			return invalidArg("'%.60s' cannot be a link's name", a.Netns.Link)
		}
		return nil
	}
	a.Tap = &port.Tap{User: req.User, Group: req.Group, MultiQueue: req.MultiQueue, VNetHdr: req.VNetHdr}
	if req.User == nil && req.Group == nil {
		a.Tap.User = new(req.Caller) // a tap of nobody is open to all
	}
	return nil
}

// checkPortGroup refuses a name that no portgroup has: limits that are asked for
// by it would be none.
func checkPortGroup(n *xmlnet.Network, name string) error {
	if name != "" && n.PortGroup(name) == nil {
		return invalidArg("network '%s' has no portgroup '%.80s'", n.Name, name)
	}
	return nil
}

func guestLinkName(req AttachRequest) string {
	if req.GuestLink == "" {
		return "eth0"
	}
	return req.GuestLink
}

// takeTap decides on a tap that is there. Callers other than root must own it.
func (m *Manager) takeTap(ctx context.Context, a *port.Attachment, req AttachRequest) error {
	info, err := m.host.Tap(ctx, req.Link)
	switch {
	case errors.Is(err, bridge.ErrLinkNotFound), errors.Is(err, bridge.ErrName):
		return invalidArg("there is no tap '%.60s'", req.Link)
	case errors.Is(err, bridge.ErrNoTap):
		return invalidArg("link '%s' is not a tap", req.Link)
	case err != nil:
		return err
	case info.Bridge != "":
		return invalid("tap '%s' is a port of bridge '%s'", req.Link, info.Bridge)
	case req.Caller != 0 && (info.User == nil || *info.User != req.Caller):
		return invalid("tap '%s' is not of user %d", req.Link, req.Caller)
	}
	a.Link = req.Link
	return nil
}

// attachedAs finds what is attached as a request asks for: of the same key, the
// same tap, or the same link in the same namespace.
func (m *Manager) attachedAs(e *entry, req AttachRequest, ns *netns) (*port.Attachment, error) {
	known := m.attachedNow().find(func(a *port.Attachment) bool {
		switch {
		case req.Key != "" || a.Key != "":
			return req.Key == a.Key
		case ns != nil:
			return a.Netns != nil && ns.is(a.Netns) && a.Netns.Link == guestLinkName(req)
		}
		return req.Link != "" && a.Netns == nil && a.Link == req.Link
	})
	if known == nil {
		return nil, nil
	}
	if known.Network != e.live.UUID {
		name := known.Network.String()
		if other := m.byID[known.Network]; other != nil {
			name = other.ref().Name
		}
		return nil, invalid("link '%s' is attached to network '%s' already", known.Link, name)
	}
	if what := differs(known, req); what != "" {
		return nil, invalid("link '%s' is attached already, with another %s", known.Link, what)
	}
	return known, nil
}

// differs names what a request wants otherwise than it is, "" if nothing. What
// it leaves open is as it is.
func differs(a *port.Attachment, req AttachRequest) string {
	switch {
	case req.MAC != nil && !slices.Equal(req.MAC, a.MAC):
		return "MAC address"
	case req.Addr.IsValid() && req.Addr != a.Addr, req.Addr6.IsValid() && req.Addr6 != a.Addr6:
		return "address"
	case req.Name != "" && req.Name != a.Name && !req.NameIfFree:
		return "name"
	case req.Isolated && !a.Isolated:
		return "isolation"
	case req.MACRule && !a.MACRule:
		return "MAC rule"
	case req.PortGroup != "" && req.PortGroup != a.Group:
		return "portgroup"
	case a.Tap != nil && req.MultiQueue && !a.Tap.MultiQueue:
		return "number of queues"
	case req.Existing != (a.Tap == nil && a.Netns == nil):
		return "origin"
	}
	return ""
}

// attach does what was decided, or takes it all back. It is on disk before the
// host changes; who may send what is decided before anybody can.
func (m *Manager) attach(ctx context.Context, e *entry, a *port.Attachment, ns *netns) error {
	got, err := m.addPort(activeNet{e.live, e.ports}, a.Port(), port.Assign)
	if err != nil {
		return err
	}
	link := plan.PortLink(e.live, a, got)
	if ns != nil {
		link.Namespace = ns.Namespace
	}
	for _, step := range []func() error{
		func() error { return m.cfg.Dir.SaveAttachment(a) },
		func() error { m.setAttached(a.UUID, a); return m.replanAttached(e) },
		func() error { return m.keepAddrs(e, e.live, a) },
		func() error { return m.applyGuards(ctx) },
		func() error { return m.host.MakePort(ctx, link) },
		func() error { return m.writeResolvConf(e.live, a) },
	} {
		if err := step(); err != nil {
			return errors.Join(err, m.drop(ctx, e, a))
		}
	}
	return nil
}

// attachError gives the host's refusals libvirt's codes.
func attachError(err error) error {
	switch {
	case errors.Is(err, bridge.ErrLinkExists):
		return &Error{Kind: ErrOperationInvalid, Text: err.Error()}
	case errors.Is(err, nat.ErrPortName):
		return &Error{Kind: ErrInvalidArg, Text: err.Error()}
	case errors.Is(err, bridge.ErrNotInKernel):
		return &Error{Kind: ErrUnsupported, Text: err.Error()}
	}
	return err
}
