package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// RouteProtocol marks our static routes in the kernel ("proto 118" in ip
// route). It is in no rt_protos of iproute2 and used by no routing daemon we
// know of; FRR takes 186 to 199, Calico 80, OVN 84.
const RouteProtocol = 118

// kernelRoute is a route as the kernel has it.
type kernelRoute struct {
	dst      netip.Prefix
	gateway  netip.Addr // invalid: none, or another family's
	index    int        // of the link; of the first one if several
	metric   int
	protocol uint8
	table    uint8
	kind     uint8 // RTN_UNICAST...
}

// routeFilter chooses routes of one family and table; in the other fields 0 is
// any.
type routeFilter struct {
	family   uint8
	table    uint8
	protocol uint8
	kind     uint8
	index    int // of the link
}

func (f routeFilter) matches(r kernelRoute) bool {
	return f.table == r.table &&
		(f.protocol == 0 || f.protocol == r.protocol) &&
		(f.kind == 0 || f.kind == r.kind) &&
		(f.index == 0 || f.index == r.index)
}

// routes lists the routes that the filter lets through.
func (c *Conn) routes(ctx context.Context, f routeFilter) ([]kernelRoute, error) {
	newRequest := func() *nl.NetlinkRequest {
		req := c.request(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
		req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{
			Family: f.family, Table: f.table, Protocol: f.protocol, Type: f.kind,
		}})
		if f.index != 0 {
			req.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(f.index))))
		}
		return req
	}
	var routes []kernelRoute
	err := dump(ctx, newRequest, unix.RTM_NEWROUTE, func(m []byte) error {
		r, err := parseRoute(m)
		if err == nil && f.matches(r) {
			routes = append(routes, r)
		}
		return err
	})
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return nil, nil // that table has no route yet, or the kernel no IPv6
	case err != nil:
		return nil, fmt.Errorf("observe routes: %w", err)
	}
	return routes, nil
}

// parseRoute reads an RTM_NEWROUTE message without its header. The cached
// clones that kernels without filtered dumps show with routes are given no
// table.
func parseRoute(m []byte) (kernelRoute, error) {
	if len(m) < unix.SizeofRtMsg {
		return kernelRoute{}, errShort
	}
	head := nl.DeserializeRtMsg(m)
	if head.Flags&unix.RTM_F_CLONED != 0 {
		return kernelRoute{}, nil
	}
	r := kernelRoute{
		table:    head.Table, // above 255: 252
		protocol: head.Protocol,
		kind:     head.Type,
	}
	dst := unspecified(head.Family) // a default route has none
	for kind, value := range attrs(m[unix.SizeofRtMsg:]) {
		switch kind {
		case unix.RTA_DST:
			dst, _ = netip.AddrFromSlice(value)
		case unix.RTA_GATEWAY:
			r.gateway, _ = netip.AddrFromSlice(value)
		case unix.RTA_PRIORITY:
			r.metric = int(uint32At(value))
		case unix.RTA_OIF:
			r.index = int(uint32At(value))
		case unix.RTA_MULTIPATH:
			// A struct rtnexthop has its link's index after length, flags and
			// hops.
			r.index = int(uint32At(value[min(4, len(value)):]))
		}
	}
	r.dst = netip.PrefixFrom(dst, int(head.Dst_len))
	return r, nil
}

func unspecified(family uint8) netip.Addr {
	if family == unix.AF_INET {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// ownRoutes lists our routes through a link.
func (c *Conn) ownRoutes(ctx context.Context, index int) ([]Route, error) {
	var own []Route
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		routes, err := c.routes(ctx, routeFilter{
			family: family, table: unix.RT_TABLE_MAIN, protocol: RouteProtocol, index: index,
		})
		if err != nil {
			return nil, err
		}
		for _, r := range routes {
			own = append(own, Route{Dst: r.dst, Gateway: r.gateway, Metric: r.metric})
		}
	}
	return own, nil
}

// addRoute adds a route through a link as ours. One to the same destination with the same
// metric, whoever made it, is an error.
func (c *Conn) addRoute(ctx context.Context, index int, r Route) error {
	return change(ctx, c.routeRequest(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, index, RouteProtocol, r))
}

func (c *Conn) deleteRoute(ctx context.Context, index int, r Route) error {
	return change(ctx, c.routeRequest(unix.RTM_DELROUTE, 0, index, RouteProtocol, r))
}

func (c *Conn) routeRequest(msgType, flags, index int, protocol uint8, r Route) *nl.NetlinkRequest {
	req := c.request(msgType, flags)
	req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{
		Family:   uint8(family(r.Dst.Addr())),
		Dst_len:  uint8(r.Dst.Bits()),
		Table:    unix.RT_TABLE_MAIN,
		Protocol: protocol,
		Scope:    unix.RT_SCOPE_UNIVERSE,
		Type:     unix.RTN_UNICAST,
	}})
	req.AddData(nl.NewRtAttr(unix.RTA_DST, r.Dst.Addr().AsSlice()))
	req.AddData(nl.NewRtAttr(unix.RTA_GATEWAY, r.Gateway.AsSlice()))
	req.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))))
	req.AddData(nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(uint32(r.Metric))))
	return req
}
