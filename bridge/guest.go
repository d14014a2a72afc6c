package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// GuestLink is a link inside a namespace, the other end of a veth pair, with
// all that a guest configures for itself.
type GuestLink struct {
	Name  string
	MAC   net.HardwareAddr
	MTU   int // 0: the kernel's choice
	Addrs []netip.Prefix
	// Gateways are where the default routes of both families go. A default
	// route that is there already stays.
	Gateways []netip.Addr
}

// makeVeth makes a pair of links: name here, and the guest's in the namespace.
// A link of either name is an error (ErrLinkExists).
func (c *Conn) makeVeth(ctx context.Context, name string, guest GuestLink, in *Namespace) error {
	peer := nl.NewRtAttr(vethPeer, nil)
	peer.AddChild(nl.NewIfInfomsg(unix.AF_UNSPEC))
	peer.AddRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(guest.Name))
	peer.AddRtAttr(unix.IFLA_ADDRESS, guest.MAC)
	peer.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(in.file.Fd())))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddChild(peer)

	req := c.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	req.AddData(tapMAC(guest.MAC))
	req.AddData(info)
	err := change(ctx, req)
	switch {
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("make link %s for a namespace, %s inside: %w", name, guest.Name, ErrLinkExists)
	case errors.Is(err, unix.EOPNOTSUPP):
		return missing("veth links", "veth", err)
	case err != nil:
		return fmt.Errorf("make link %s for a namespace, %s inside: %w", name, guest.Name, err)
	}
	return nil
}

// vethPeer is VETH_INFO_PEER (linux/veth.h).
const vethPeer = 1

// ConfigureGuest makes a namespace's link have what is wanted, and sets it and
// the loopback link up. Addresses and routes that it has beside stay.
func ConfigureGuest(ctx context.Context, in *Namespace, want GuestLink) error {
	c, err := in.open()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.configureGuest(ctx, want); err != nil {
		return fmt.Errorf("configure %s in the namespace: %w", want.Name, err)
	}
	return nil
}

func (c *Conn) configureGuest(ctx context.Context, want GuestLink) error {
	if lo, err := c.link(ctx, "lo"); err != nil {
		return err
	} else if err := c.setUp(ctx, lo.index); err != nil {
		return err
	}
	l, err := c.link(ctx, want.Name)
	if err != nil {
		return err
	}
	if want.MTU != 0 && l.mtu != want.MTU {
		if err := c.setLink(ctx, l.index, nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(want.MTU)))); err != nil {
			return fmt.Errorf("set MTU %d: %w", want.MTU, err)
		}
	}
	// First, as routes go through links that are up.
	if err := c.setUp(ctx, l.index); err != nil {
		return err
	}
	for _, p := range want.Addrs {
		if err := c.addAddr(ctx, l.index, p); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add address %s: %w", p, err)
		}
	}
	for _, gateway := range want.Gateways {
		if err := c.addDefaultRoute(ctx, l.index, gateway); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add the default route by %s: %w", gateway, err)
		}
	}
	return nil
}

func (c *Conn) addDefaultRoute(ctx context.Context, index int, gateway netip.Addr) error {
	req := c.request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{
		Family:   uint8(family(gateway)),
		Table:    unix.RT_TABLE_MAIN,
		Protocol: unix.RTPROT_DHCP,
		Scope:    unix.RT_SCOPE_UNIVERSE,
		Type:     unix.RTN_UNICAST,
	}})
	req.AddData(nl.NewRtAttr(unix.RTA_GATEWAY, gateway.AsSlice()))
	req.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))))
	return change(ctx, req)
}

// ObserveGuest returns the addresses of a namespace's link (ErrLinkNotFound).
func ObserveGuest(ctx context.Context, in *Namespace, name string) (GuestLink, error) {
	c, err := in.open()
	if err != nil {
		return GuestLink{}, err
	}
	defer c.Close()
	l, err := c.link(ctx, name)
	if err != nil {
		return GuestLink{}, err
	}
	have := GuestLink{Name: l.name, MAC: l.mac, MTU: l.mtu}
	addrs, err := c.addrs(ctx, l.index)
	for _, a := range addrs {
		have.Addrs = append(have.Addrs, a.prefix)
	}
	return have, err
}

// RemoveGuest deletes a namespace's link, if it is there and one of a veth
// pair; the other end goes with it.
func RemoveGuest(ctx context.Context, in *Namespace, name string) error {
	c, err := in.open()
	if err != nil {
		return err
	}
	defer c.Close()
	l, err := c.link(ctx, name)
	switch {
	case errors.Is(err, ErrLinkNotFound):
		return nil
	case err != nil:
		return err
	case l.kind != "veth":
		return fmt.Errorf("delete %s in the namespace: it is no end of a veth pair", name)
	}
	return c.deleteLink(ctx, l.index)
}
