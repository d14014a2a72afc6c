package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// vlanInfoSize is that of struct bridge_vlan_info: flags and VLAN, 16 bits
// each.
const vlanInfoSize = 4

// defaultVLAN is a port's when it joins: VLAN 1, untagged both ways.
const defaultVLAN = 1

// restorePort gives a link that has joined a bridge the settings that it had
// on the bridge before, if they are known, and what its Port says.
func (c *Conn) restorePort(ctx context.Context, l *link, p Port, s portSettings, filtering bool) error {
	if p.Isolated {
		s.flags = append(s.flags, netlinkAttr{brportIsolated, []byte{1}})
	}
	var errs []error
	if len(s.flags) > 0 {
		errs = append(errs, c.setPortFlags(ctx, l.index, s.flags))
	}
	if s.known && filtering {
		errs = append(errs, c.setPortVLANs(ctx, l.index, s.vlans))
	}
	// Whoever turned learning off told the bridge where the guest is.
	if learns, ok := s.flag(nl.IFLA_BRPORT_LEARNING); ok && !learns && p.MAC != nil {
		errs = append(errs, c.addFDB(ctx, l.index, p.MAC))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("give bridge port %s its settings: %w", p.Link, err)
	}
	return nil
}

// portRequest begins a change of a bridge port.
func (c *Conn) portRequest(msgType, index int) *nl.NetlinkRequest {
	req := c.request(msgType, 0)
	head := nl.NewIfInfomsg(unix.AF_BRIDGE)
	head.Index = int32(index)
	req.AddData(head)
	return req
}

func (c *Conn) setPortFlags(ctx context.Context, index int, flags []netlinkAttr) error {
	req := c.portRequest(unix.RTM_SETLINK, index)
	info := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
	for _, a := range flags {
		info.AddRtAttr(int(a.kind), a.value)
	}
	req.AddData(info)
	return change(ctx, req)
}

// setPortVLANs gives a port these VLANs in place of the default.
func (c *Conn) setPortVLANs(ctx context.Context, index int, vlans [][]byte) error {
	// In the order flags, VLAN of the host's bytes.
	none := make([]byte, vlanInfoSize)
	binary.NativeEndian.PutUint16(none[2:], defaultVLAN)
	if err := change(ctx, c.vlanRequest(unix.RTM_DELLINK, index, [][]byte{none})); err != nil || len(vlans) == 0 {
		return err
	}
	return change(ctx, c.vlanRequest(unix.RTM_SETLINK, index, vlans))
}

func (c *Conn) vlanRequest(msgType, index int, vlans [][]byte) *nl.NetlinkRequest {
	req := c.portRequest(msgType, index)
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC|unix.NLA_F_NESTED, nil)
	for _, v := range vlans {
		spec.AddRtAttr(nl.IFLA_BRIDGE_VLAN_INFO, v)
	}
	req.AddData(spec)
	return req
}

// addFDB tells a port's bridge that the address is behind it.
func (c *Conn) addFDB(ctx context.Context, index int, mac net.HardwareAddr) error {
	req := c.request(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	req.AddData(&neighbour{family: unix.AF_BRIDGE, index: int32(index), state: unix.NUD_NOARP, flags: unix.NTF_MASTER})
	req.AddData(nl.NewRtAttr(unix.NDA_LLADDR, mac))
	return change(ctx, req)
}
