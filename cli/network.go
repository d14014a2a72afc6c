package cli

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/digitalocean/go-libvirt"
)

// uuidLength is the length of a uuid as text.
const uuidLength = 36

// networkBy says how a network argument may name a network.
type networkBy int

const (
	byName networkBy = 1 << iota
	byUUID
	byEither = byName | byUUID
)

// lookup finds the network that the option "network" names. It also returns
// the name as it was given, which is what messages show.
func (sh *shell) lookup(ctx context.Context, in invocation, how networkBy) (libvirt.Network, string, error) {
	given, err := in.text("network")
	if err != nil {
		return libvirt.Network{}, "", err
	}
	sh.debugf(levelInfo, "%s: found option <network>: %s\n", in.cmd.name, given)
	var (
		n     libvirt.Network
		tried bool
	)
	if how&byUUID != 0 && len(given) == uuidLength {
		sh.debugf(levelDebug, "%s: <network> trying as network UUID\n", in.cmd.name)
		n, err = sh.conn.networkByUUID(ctx, given)
		tried = true
	}
	if how&byName != 0 && (!tried || err != nil) {
		sh.debugf(levelDebug, "%s: <network> trying as network NAME\n", in.cmd.name)
		n, err = sh.conn.networkByName(ctx, given)
		tried = true
	}
	if !tried || err != nil {
		return n, given, fail(err, "failed to get network '%s'", given)
	}
	return n, given, nil
}

func (s *session) networkByName(ctx context.Context, name string) (n libvirt.Network, err error) {
	err = s.do(ctx, "virNetworkLookupByName", func() (err error) {
		n, err = s.virt.NetworkLookupByName(name)
		return err
	})
	return n, err
}

func (s *session) networkByUUID(ctx context.Context, text string) (n libvirt.Network, err error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != len(n.UUID) {
		return n, worded("uuidstr in virNetworkLookupByUUIDString must be a valid UUID")
	}
	err = s.do(ctx, "virNetworkLookupByUUIDString", func() (err error) {
		n, err = s.virt.NetworkLookupByUUID(libvirt.UUID(raw))
		return err
	})
	return n, err
}

func (s *session) listNetworks(ctx context.Context, flags libvirt.ConnectListAllNetworksFlags) (list []libvirt.Network, err error) {
	err = s.do(ctx, "virConnectListAllNetworks", func() (err error) {
		list, _, err = s.virt.ConnectListAllNetworks(1, flags)
		return err
	})
	return list, err
}

func (s *session) isActive(ctx context.Context, n libvirt.Network) (bool, error) {
	return s.ask(ctx, "virNetworkIsActive", n, s.virt.NetworkIsActive)
}

func (s *session) isPersistent(ctx context.Context, n libvirt.Network) (bool, error) {
	return s.ask(ctx, "virNetworkIsPersistent", n, s.virt.NetworkIsPersistent)
}

func (s *session) autostart(ctx context.Context, n libvirt.Network) (bool, error) {
	return s.ask(ctx, "virNetworkGetAutostart", n, s.virt.NetworkGetAutostart)
}

// ask makes a call that answers yes (1) or no (0) about a network.
func (s *session) ask(ctx context.Context, fn string, n libvirt.Network, call func(libvirt.Network) (int32, error)) (bool, error) {
	var answer int32
	err := s.do(ctx, fn, func() (err error) {
		answer, err = call(n)
		return err
	})
	return answer != 0, err
}

// xml returns a network's definition: that in force, or that on disk.
func (s *session) xml(ctx context.Context, n libvirt.Network, inactive bool) (doc string, err error) {
	var flags uint32
	if inactive {
		flags = uint32(libvirt.NetworkXMLInactive)
	}
	err = s.do(ctx, "virNetworkGetXMLDesc", func() (err error) {
		doc, err = s.virt.NetworkGetXMLDesc(n, flags)
		return err
	})
	return doc, err
}

// define defines a network, and checks it against the schema if validate is
// set.
func (s *session) define(ctx context.Context, doc string, validate bool) (n libvirt.Network, err error) {
	if validate {
		err = s.change(ctx, "virNetworkDefineXMLFlags", func() (err error) {
			n, err = s.virt.NetworkDefineXMLFlags(doc, uint32(libvirt.NetworkDefineValidate))
			return err
		})
		return n, err
	}
	err = s.change(ctx, "virNetworkDefineXML", func() (err error) {
		n, err = s.virt.NetworkDefineXML(doc)
		return err
	})
	return n, err
}

// create makes a transient network, or starts a defined one with this
// definition.
func (s *session) create(ctx context.Context, doc string, validate bool) (n libvirt.Network, err error) {
	if validate {
		err = s.change(ctx, "virNetworkCreateXMLFlags", func() (err error) {
			n, err = s.virt.NetworkCreateXMLFlags(doc, uint32(libvirt.NetworkCreateValidate))
			return err
		})
		return n, err
	}
	err = s.change(ctx, "virNetworkCreateXML", func() (err error) {
		n, err = s.virt.NetworkCreateXML(doc)
		return err
	})
	return n, err
}

// formatUUID returns a uuid as text.
func formatUUID(u libvirt.UUID) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
