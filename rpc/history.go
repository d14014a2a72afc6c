package rpc

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vnetmgr/vnetmgr/journal"
	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// history is of our own program.
func (c *client) history(_ context.Context, args wire.HistoryArgs) (wire.HistoryRet, error) {
	var ret wire.HistoryRet
	if err := checkFlags(args.Flags, 0, wire.FromNetwork, "HISTORY"); err != nil {
		return ret, err
	}
	if c.srv.opts.History == nil {
		return ret, &network.Error{Kind: network.ErrUnsupported, Text: "no history of leases is kept"}
	}
	f, err := historyFilter(args)
	if err != nil {
		return ret, err
	}
	records, err := c.srv.opts.History(xmlnet.UUID(args.Network.UUID), f)
	if err != nil {
		return ret, onNetwork(args.Network, err)
	}
	for _, r := range records {
		ret.Records = append(ret.Records, wireRecord(r))
	}
	return ret, nil
}

func historyFilter(args wire.HistoryArgs) (journal.Filter, error) {
	f := journal.Filter{Hostname: args.Hostname, Since: wireTime(args.Since), Until: wireTime(args.Until), Max: wire.MaxHistory}
	if n := int(args.Max); n > 0 && n < f.Max {
		f.Max = n
	}
	var err error
	if args.Addr != "" {
		if f.Addr, err = netip.ParseAddr(args.Addr); err != nil {
			return f, &network.Error{Kind: network.ErrInvalidArg, Text: fmt.Sprintf("address '%s' is not an IP address", args.Addr)}
		}
	}
	if args.MAC != "" {
		if f.MAC, err = net.ParseMAC(args.MAC); err != nil {
			return f, failure(wire.FromNetwork, wire.CodeInvalidMAC, args.MAC)
		}
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && f.Until.Before(f.Since) {
		return f, &network.Error{Kind: network.ErrInvalidArg, Text: "the end of the span is before its beginning"}
	}
	return f, nil
}

func wireRecord(r journal.Record) wire.HistoryRecord {
	return wire.HistoryRecord{
		Addr: r.Addr.String(), MAC: r.MAC.String(), ClientID: hexColons(r.ClientID), Hostname: r.Hostname,
		From: sinceEpoch(r.From), Until: sinceEpoch(r.Until), End: r.End.String(), CloneOf: r.CloneOf.String(),
	}
}

// wireTime reads ns since 1970, of which 0 is no time.
func wireTime(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

func sinceEpoch(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
