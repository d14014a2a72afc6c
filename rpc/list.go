package rpc

import (
	"context"

	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// Flag groups of ListAllArgs.
const (
	listState       = wire.ListActive | wire.ListInactive
	listPersistence = wire.ListPersistent | wire.ListTransient
	listAutostart   = wire.ListAutostart | wire.ListNoAutostart
)

func (c *client) listAll(_ context.Context, args wire.ListAllArgs) (wire.ListAllRet, error) {
	var ret wire.ListAllRet
	known := listState | listPersistence | listAutostart
	if err := checkFlags(args.Flags, known, wire.FromNetwork, "networkConnectListAllNetworks"); err != nil {
		return ret, err
	}
	for _, info := range c.srv.networks.List() {
		if !listed(info, args.Flags) {
			continue
		}
		ret.Count++
		if args.NeedResults != 0 {
			ret.Networks = append(ret.Networks, ref(info.Ref))
		}
	}
	return ret, nil
}

// listed tells whether info passes every group of flags.
func listed(info network.Info, flags uint32) bool {
	pass := func(group uint32, is bool, yes, no uint32) bool {
		have := no
		if is {
			have = yes
		}
		return flags&group == 0 || flags&have != 0
	}
	return pass(listState, info.Active, wire.ListActive, wire.ListInactive) &&
		pass(listPersistence, info.Persistent, wire.ListPersistent, wire.ListTransient) &&
		pass(listAutostart, info.Autostart, wire.ListAutostart, wire.ListNoAutostart)
}

func (c *client) listActive(_ context.Context, maxNames int32) (wire.ListNamesRet, error) {
	return c.listNames(maxNames, wire.ListActive)
}

func (c *client) listInactive(_ context.Context, maxNames int32) (wire.ListNamesRet, error) {
	return c.listNames(maxNames, wire.ListInactive)
}

// listNames returns the names of the first maxNames networks that flags let
// pass.
func (c *client) listNames(maxNames int32, flags uint32) (wire.ListNamesRet, error) {
	var ret wire.ListNamesRet
	if maxNames < 0 {
		return ret, failure(wire.FromRPC, wire.CodeRPC, "maxnames must be non-negative")
	}
	if maxNames > wire.MaxNetworks {
		return ret, failure(wire.FromRPC, wire.CodeRPC, "maxnames > REMOTE_NETWORK_LIST_MAX")
	}
	for _, info := range c.srv.networks.List() {
		if len(ret.Names) == int(maxNames) {
			break
		}
		if listed(info, flags) {
			ret.Names = append(ret.Names, info.Name)
		}
	}
	return ret, nil
}

func (c *client) countActive(context.Context, wire.Empty) (int32, error) {
	return c.count(wire.ListActive), nil
}

func (c *client) countInactive(context.Context, wire.Empty) (int32, error) {
	return c.count(wire.ListInactive), nil
}

func (c *client) count(flags uint32) int32 {
	var n int32
	for _, info := range c.srv.networks.List() {
		if listed(info, flags) {
			n++
		}
	}
	return n
}
