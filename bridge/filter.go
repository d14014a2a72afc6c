package bridge

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// Priorities of our filters. A priority has one protocol, and libvirt's
	// filters of floors are for IPv4 at 2.
	policerPrio  = 1
	libvirtsPrio = 2
	floorPrio    = 3
	// firstTable is the first hash table of u32 filters on a link.
	firstTable = 0x80000000
	// u32Terminal is TC_U32_TERMINAL: a match ends the search.
	u32Terminal = 1
	// actShot is TC_ACT_SHOT: drop.
	actShot = 2
)

// filter is a u32 filter of a link.
type filter struct {
	handle  uint32
	info    uint32 // its priority and protocol
	prio    uint16
	classID uint32
	keys    []byte // struct tc_u32_key, one after the other
	police  *policer
}

// info is the tcm_info of a filter of that priority for every protocol.
func info(prio uint16) uint32 {
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // network byte order
	return uint32(prio)<<16 | uint32(all)
}

// filters lists the u32 filters below a parent that do something; more tells
// whether there are any of other kinds.
func (c *Conn) filters(ctx context.Context, index int, parent uint32) (found []filter, more bool, err error) {
	newRequest := func() *nl.NetlinkRequest {
		return c.tcRequest(unix.RTM_GETTFILTER, unix.NLM_F_DUMP, index, 0, parent, 0)
	}
	err = dump(ctx, newRequest, unix.RTM_NEWTFILTER, func(m []byte) error {
		if len(m) < nl.SizeofTcMsg {
			return errShort
		}
		f, kind := parseFilter(m)
		switch {
		case kind != "u32":
			more = true
		case f.handle&0xfff != 0: // not just its hash table
			found = append(found, f)
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("observe filters: %w", err)
	}
	return found, more, nil
}

func parseFilter(m []byte) (f filter, kind string) {
	head := nl.DeserializeTcMsg(m)
	f.handle, f.info, f.prio = head.Handle, head.Info, uint16(head.Info>>16)
	kind, options := kindAndOptions(m)
	if kind != "u32" {
		return f, kind
	}
	for id, value := range attrs(options) {
		switch {
		case id == nl.TCA_U32_CLASSID:
			f.classID = uint32At(value)
		case id == nl.TCA_U32_SEL && len(value) > nl.SizeofTcU32Sel:
			f.keys = bytes.Clone(value[nl.SizeofTcU32Sel:])
		case id == nl.TCA_U32_ACT:
			f.police = parsePolicer(value)
		}
	}
	return f, kind
}

// parsePolicer reads a filter's actions, nil unless the first one polices.
func parsePolicer(b []byte) *policer {
	for _, action := range attrs(b) {
		var kind string
		var p policer
		for id, value := range attrs(action) {
			switch id {
			case nl.TCA_ACT_KIND:
				kind = unix.ByteSliceToString(value)
			case nl.TCA_ACT_OPTIONS:
				p = parsePolice(value)
			}
		}
		if kind == "police" {
			return &p
		}
		return nil
	}
	return nil
}

func parsePolice(b []byte) (p policer) {
	for id, value := range attrs(b) {
		switch {
		case id == nl.TCA_POLICE_TBF && len(value) >= nl.SizeofTcPolice:
			t := nl.DeserializeTcPolice(value)
			p.rate, p.burst, p.mtu = max(p.rate, uint64(t.Rate.Rate)), t.Burst, t.Mtu
		case id == policeRate64 && len(value) >= 8:
			p.rate = binary.NativeEndian.Uint64(value)
		}
	}
	return p
}

// selector is struct tc_u32_sel with its keys.
func selector(keys ...nl.TcU32Key) *nl.RtAttr {
	sel := nl.TcU32Sel{Flags: u32Terminal, Nkeys: uint8(len(keys)), Keys: keys}
	return nl.NewRtAttr(nl.TCA_U32_SEL, sel.Serialize())
}

// macKeys match frames to a MAC address. Offsets are from the network header,
// before which the Ethernet header of 14 bytes lies; keys are of 4 bytes, at
// multiples of 4.
func macKeys(mac net.HardwareAddr) []nl.TcU32Key {
	return []nl.TcU32Key{
		{Mask: math.MaxUint32, Val: binary.NativeEndian.Uint32(mac[2:]), Off: -12},
		{
			Mask: binary.NativeEndian.Uint32([]byte{0, 0, 0xff, 0xff}),
			Val:  binary.NativeEndian.Uint32([]byte{0, 0, mac[0], mac[1]}), Off: -16,
		},
	}
}

// keepFirstTable keeps the first hash table for libvirt's filters, which name
// it: virtnetworkd, when it goes on after us, could not add any otherwise. The
// filter that does so sends broadcasts where they go anyway.
func (c *Conn) keepFirstTable(ctx context.Context, index int, have []filter) error {
	if slices.ContainsFunc(have, func(f filter) bool { return f.handle&0xfff00000 == firstTable }) {
		return nil
	}
	ipv4 := uint32(binary.NativeEndian.Uint16([]byte{unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff}))
	req := c.tcRequest(unix.RTM_NEWTFILTER, unix.NLM_F_CREATE|unix.NLM_F_EXCL, index, 0, rootMajor, libvirtsPrio<<16|ipv4)
	req.AddData(kindAttr("u32"))
	broadcasts := nl.TcU32Key{Mask: math.MaxUint32, Val: math.MaxUint32, Off: -12}
	req.AddData(optionsAttr(nl.NewRtAttr(nl.TCA_U32_CLASSID, nl.Uint32Attr(rootMajor|restClass)), selector(broadcasts)))
	return filterError(change(ctx, req))
}

// setFilter sends what goes to a floor's guest to its class, and nothing else.
func (c *Conn) setFilter(ctx context.Context, index int, f Floor, have []filter) error {
	keys := macKeys(f.MAC)
	wanted := append(keys[0].Serialize(), keys[1].Serialize()...)
	classID := rootMajor | uint32(f.Class)
	found := false
	for _, h := range have {
		switch {
		case h.classID != classID:
		case !found && bytes.Equal(h.keys, wanted):
			found = true
		default:
			if err := c.deleteFilter(ctx, index, rootMajor, h); err != nil {
				return err
			}
		}
	}
	if found {
		return nil
	}
	req := c.tcRequest(unix.RTM_NEWTFILTER, unix.NLM_F_CREATE|unix.NLM_F_EXCL, index, 0, rootMajor, info(floorPrio))
	req.AddData(kindAttr("u32"))
	req.AddData(optionsAttr(nl.NewRtAttr(nl.TCA_U32_CLASSID, nl.Uint32Attr(classID)), selector(keys...)))
	return filterError(change(ctx, req))
}

// deleteFilters deletes what sends traffic to a class.
func (c *Conn) deleteFilters(ctx context.Context, index int, minor uint16, have []filter) error {
	for _, f := range have {
		if f.classID != rootMajor|uint32(minor) {
			continue
		}
		if err := c.deleteFilter(ctx, index, rootMajor, f); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) deleteFilter(ctx context.Context, index int, parent uint32, f filter) error {
	req := c.tcRequest(unix.RTM_DELTFILTER, 0, index, f.handle, parent, f.info)
	req.AddData(kindAttr("u32"))
	if err := change(ctx, req); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete filter: %w", err)
	}
	return nil
}

// clearFilters deletes all filters below a parent, whoever made them.
func (c *Conn) clearFilters(ctx context.Context, index int, parent uint32) error {
	err := change(ctx, c.tcRequest(unix.RTM_DELTFILTER, 0, index, 0, parent, 0))
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) { // there is no such parent
		return fmt.Errorf("delete filters: %w", err)
	}
	return nil
}

// filterError says what of a u32 filter the kernel lacks.
func filterError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT) && strings.Contains(err.Error(), "action"): // the kernel's text
		return missing("the policing action of traffic control", "act_police", err)
	case errors.Is(err, unix.ENOENT):
		return missing("the u32 classifier of traffic control", "cls_u32", err)
	}
	return fmt.Errorf("add filter: %w", err)
}
