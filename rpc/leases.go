package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func (c *client) getLeases(_ context.Context, args wire.GetLeasesArgs) (wire.GetLeasesRet, error) {
	var ret wire.GetLeasesRet
	if err := checkFlags(args.Flags, 0, wire.FromNetwork, "networkGetDHCPLeases"); err != nil {
		return ret, err
	}
	leases, err := c.leasesOf(args.Network, args.MAC)
	if err != nil {
		return ret, err
	}
	ret.Count = uint32(len(leases))
	if args.NeedResults == 0 {
		return ret, nil
	}
	ret.Leases = make([]wire.Lease, 0, len(leases))
	for _, l := range leases {
		ret.Leases = append(ret.Leases, wireLease(l))
	}
	return ret, nil
}

// leasesOf asks for the leases of one MAC address, or with nil for all. An
// empty address is a malformed one.
func (c *client) leasesOf(n wire.Network, mac *string) ([]network.Lease, error) {
	if mac == nil {
		leases, err := c.srv.networks.Leases(xmlnet.UUID(n.UUID), "")
		return leases, onNetwork(n, err)
	}
	if *mac == "" {
		return nil, failure(wire.FromNetwork, wire.CodeInvalidMAC, *mac)
	}
	leases, err := c.srv.networks.Leases(xmlnet.UUID(n.UUID), *mac)
	if errors.Is(err, network.ErrInvalidMAC) {
		return nil, failure(wire.FromNetwork, wire.CodeInvalidMAC, *mac)
	}
	return leases, onNetwork(n, err)
}

func wireLease(l network.Lease) wire.Lease {
	w := wire.Lease{
		Link:     l.Link,
		Type:     wire.LeaseIPv4,
		MAC:      optional(l.MAC.String()),
		Addr:     l.Addr.String(),
		Prefix:   uint32(l.PrefixLen),
		Hostname: optional(l.Hostname),
		ClientID: optional(hexColons(l.ClientID)),
	}
	if !l.Expiry.IsZero() {
		w.Expiry = l.Expiry.Unix()
	}
	if l.Addr.Is6() {
		w.Type = wire.LeaseIPv6
		w.IAID = optional(strconv.FormatUint(uint64(l.IAID), 10))
	}
	return w
}

// optional is nil for an empty string, which libvirt sends as absent.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// hexColons is b as dnsmasq writes client identifiers: 01:52:54:00.
func hexColons(b []byte) string {
	return strings.ReplaceAll(fmt.Sprintf("% x", b), " ", ":")
}
