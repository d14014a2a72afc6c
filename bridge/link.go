package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// ownerPrefix begins the alias of our links; the owner follows.
	ownerPrefix = "vnetmgr:"
	// newGroup is the device group of a bridge between its creation and the
	// next message, which gives it its alias (the kernel takes none at
	// creation). If we are killed there, this is how we know it as ours.
	newGroup = 0x766e6574 // "vnet"
	// filterSkipStats is RTEXT_FILTER_SKIP_STATS: leave out the counters.
	filterSkipStats = 1 << 3
	// operUnknown and operUp are IF_OPER_UNKNOWN and IF_OPER_UP of linux/if.h.
	operUnknown, operUp = 0, 6
	// userHZ is the unit of bridge timers in netlink: 1/100 s on every
	// architecture.
	userHZ = 100
)

// link is what the kernel says of a link.
type link struct {
	name   string
	index  int
	kind   string
	alias  string
	group  uint32
	master int // index
	mac    net.HardwareAddr
	mtu    int
	up     bool

	carrier     bool // at the moment
	operational bool // as the kernel's own users see it, a little later

	isolated bool   // of bridge ports only
	data     []byte // IFLA_INFO_DATA; of taps only

	// Of bridges only.
	stp           bool
	forwardDelay  time.Duration
	vlanFiltering bool
}

// owner returns whose the link is: a Config.Owner, or "" if not ours.
func (l *link) owner() string {
	if owner, ok := strings.CutPrefix(l.alias, ownerPrefix); ok && l.kind == "bridge" {
		return owner
	}
	return ""
}

// belongsTo reports whether we made this link for owner, also if we did not
// get as far as writing the alias.
func (l *link) belongsTo(owner string) bool {
	if l.owner() == owner && owner != "" {
		return true
	}
	return l.kind == "bridge" && l.alias == "" && l.group == newGroup
}

// link asks for one link by name. The error wraps ErrLinkNotFound if there is
// none.
func (c *Conn) link(ctx context.Context, name string) (*link, error) {
	l, err := c.getLink(ctx, 0, nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	if err != nil {
		return nil, fmt.Errorf("observe link %s: %w", name, err)
	}
	return l, nil
}

// linkAt asks for one link by index, as link does by name.
func (c *Conn) linkAt(ctx context.Context, index int) (*link, error) {
	l, err := c.getLink(ctx, index)
	if err != nil {
		return nil, fmt.Errorf("observe link %d: %w", index, err)
	}
	return l, nil
}

func (c *Conn) getLink(ctx context.Context, index int, more ...*nl.RtAttr) (*link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	req := c.request(unix.RTM_GETLINK, 0)
	head := nl.NewIfInfomsg(unix.AF_UNSPEC)
	head.Index = int32(index)
	req.AddData(head)
	req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(filterSkipStats)))
	for _, a := range more {
		req.AddData(a)
	}
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	switch {
	case errors.Is(err, unix.ENODEV):
		return nil, ErrLinkNotFound
	case err != nil:
		return nil, permission(err)
	case len(msgs) != 1:
		return nil, fmt.Errorf("%d replies", len(msgs))
	}
	return parseLink(msgs[0])
}

// links lists all links, or with a master other than 0 its bridge ports.
func (c *Conn) links(ctx context.Context, master int) ([]*link, error) {
	newRequest := func() *nl.NetlinkRequest {
		req := c.request(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(filterSkipStats)))
		if master != 0 {
			req.AddData(nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(master))))
		}
		return req
	}
	var links []*link
	err := dump(ctx, newRequest, unix.RTM_NEWLINK, func(m []byte) error {
		l, err := parseLink(m)
		if err == nil && (master == 0 || l.master == master) {
			links = append(links, l)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("observe links: %w", err)
	}
	return links, nil
}

// parseLink reads an RTM_NEWLINK or RTM_DELLINK message without its header.
func parseLink(m []byte) (*link, error) {
	if len(m) < unix.SizeofIfInfomsg {
		return nil, errShort
	}
	head := nl.DeserializeIfInfomsg(m)
	l := &link{index: int(head.Index), up: head.Flags&unix.IFF_UP != 0}
	for kind, value := range attrs(m[unix.SizeofIfInfomsg:]) {
		switch kind {
		case unix.IFLA_IFNAME:
			l.name = unix.ByteSliceToString(value)
		case unix.IFLA_IFALIAS:
			l.alias = unix.ByteSliceToString(value)
		case unix.IFLA_GROUP:
			l.group = uint32At(value)
		case unix.IFLA_MASTER:
			l.master = int(uint32At(value))
		case unix.IFLA_ADDRESS:
			l.mac = slices.Clone(value)
		case unix.IFLA_MTU:
			l.mtu = int(uint32At(value))
		case unix.IFLA_CARRIER:
			l.carrier = len(value) > 0 && value[0] != 0
		case unix.IFLA_OPERSTATE:
			l.operational = len(value) > 0 && (value[0] == operUp || value[0] == operUnknown)
		case unix.IFLA_LINKINFO:
			l.parseInfo(value)
		}
	}
	return l, nil
}

// parseInfo reads IFLA_LINKINFO.
func (l *link) parseInfo(b []byte) {
	var data []byte
	for kind, value := range attrs(b) {
		switch kind {
		case nl.IFLA_INFO_KIND:
			l.kind = unix.ByteSliceToString(value)
		case nl.IFLA_INFO_DATA:
			data = value
		case nl.IFLA_INFO_SLAVE_DATA:
			l.parsePort(value)
		}
	}
	if l.kind == "tun" {
		l.data = slices.Clone(data)
	}
	if l.kind != "bridge" {
		return // the same numbers mean something else there
	}
	for kind, value := range attrs(data) {
		switch kind {
		case nl.IFLA_BR_STP_STATE:
			l.stp = uint32At(value) != 0
		case nl.IFLA_BR_FORWARD_DELAY:
			l.forwardDelay = time.Duration(uint32At(value)) * (time.Second / userHZ)
		case nl.IFLA_BR_VLAN_FILTERING:
			l.vlanFiltering = len(value) > 0 && value[0] != 0
		}
	}
}

// parsePort reads IFLA_INFO_SLAVE_DATA of a bridge port. Under another kind of
// master the number means something else, which nobody asks for.
func (l *link) parsePort(b []byte) {
	for kind, value := range attrs(b) {
		if kind == nl.IFLA_BRPORT_ISOLATED {
			l.isolated = len(value) > 0 && value[0] != 0
		}
	}
}

// createBridge makes a bridge with its final MAC address, so that it never has
// another one. Its owner is written next (see newGroup).
func (c *Conn) createBridge(ctx context.Context, want *Config) error {
	req := c.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(want.Name)))
	req.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, want.MAC))
	req.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(newGroup)))
	if want.MTU == defaultMTU {
		// Only a change of the MTU makes the kernel keep it when ports with
		// another one join, so begin with another one.
		req.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(defaultMTU-1)))
	}
	req.AddData(bridgeInfo(stpAttrs(want)...))
	err := change(ctx, req)
	if errors.Is(err, unix.EEXIST) {
		return ErrLinkExists
	}
	return err
}

// bridgeInfo is the IFLA_LINKINFO of a bridge with the given IFLA_BR_ attributes.
func bridgeInfo(settings ...*nl.RtAttr) *nl.RtAttr {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	for _, a := range settings {
		data.AddChild(a)
	}
	return info
}

// stpAttrs are both STP settings. They belong in one message: while STP is on
// the kernel refuses a delay under 2 s, but it raises one when STP goes on.
func stpAttrs(want *Config) []*nl.RtAttr {
	ticks := want.delay() / (time.Second / userHZ)
	stp := uint32(0)
	if want.STP {
		stp = 1
	}
	return []*nl.RtAttr{
		nl.NewRtAttr(nl.IFLA_BR_FORWARD_DELAY, nl.Uint32Attr(uint32(ticks))),
		nl.NewRtAttr(nl.IFLA_BR_STP_STATE, nl.Uint32Attr(stp)),
	}
}

// setLink changes attributes of the link with that index, in one message.
func (c *Conn) setLink(ctx context.Context, index int, settings ...*nl.RtAttr) error {
	req := c.request(unix.RTM_NEWLINK, 0)
	head := nl.NewIfInfomsg(unix.AF_UNSPEC)
	head.Index = int32(index)
	req.AddData(head)
	for _, a := range settings {
		req.AddData(a)
	}
	return change(ctx, req)
}

// setUp sets a link up.
func (c *Conn) setUp(ctx context.Context, index int) error {
	req := c.request(unix.RTM_NEWLINK, 0)
	head := nl.NewIfInfomsg(unix.AF_UNSPEC)
	head.Index, head.Flags, head.Change = int32(index), unix.IFF_UP, unix.IFF_UP
	req.AddData(head)
	return change(ctx, req)
}

// deleteLink deletes a link; one that is gone already is fine.
func (c *Conn) deleteLink(ctx context.Context, index int) error {
	req := c.request(unix.RTM_DELLINK, 0)
	head := nl.NewIfInfomsg(unix.AF_UNSPEC)
	head.Index = int32(index)
	req.AddData(head)
	if err := change(ctx, req); err != nil && !errors.Is(err, unix.ENODEV) {
		return err
	}
	return nil
}

// AttachPort makes a link a port of a bridge. Both are named; neither has to
// be ours. A port of another bridge moves.
func (c *Conn) AttachPort(ctx context.Context, bridge, port string) error {
	master, err := c.link(ctx, bridge)
	if err != nil {
		return err
	}
	l, err := c.link(ctx, port)
	if err != nil {
		return err
	}
	if l.master == master.index {
		return nil
	}
	if err := c.setLink(ctx, l.index, nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(master.index)))); err != nil {
		return fmt.Errorf("attach %s to bridge %s: %w", port, bridge, err)
	}
	return nil
}
