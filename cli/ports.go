package cli

import (
	"bytes"
	"context"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/digitalocean/go-libvirt"
)

// netPortList runs net-port-list.
func netPortList(ctx context.Context, sh *shell, in invocation) error {
	if countGiven(in, "table", "uuid") > 1 {
		return worded("Only one argument from --table and --uuid may be specified.")
	}
	n, _, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	if in.has("details") && !in.has("uuid") {
		return sh.portDetails(ctx, n)
	}
	ports, err := sh.conn.listPorts(ctx, n)
	if err != nil {
		return err // virsh says no more
	}
	if in.has("uuid") {
		for _, p := range ports {
			sh.printf("%s\n", formatUUID(p.UUID))
		}
		return nil
	}
	t := newTable("UUID")
	for _, p := range ports {
		t.add(formatUUID(p.UUID))
	}
	sh.printf("%s", t.format(sh.opts.quiet))
	return nil
}

// listPorts returns the ports of a network, sorted by UUID.
func (s *session) listPorts(ctx context.Context, n libvirt.Network) (ports []libvirt.NetworkPort, err error) {
	err = s.do(ctx, "virNetworkListAllPorts", func() (err error) {
		ports, _, err = s.virt.NetworkListAllPorts(n, 1, 0)
		return err
	})
	slices.SortFunc(ports, func(a, b libvirt.NetworkPort) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
	return ports, err
}

// netPortCreate runs net-port-create.
func netPortCreate(ctx context.Context, sh *shell, in invocation) error {
	n, _, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	path, err := in.text("file")
	if err != nil {
		return err
	}
	doc, err := readXMLFile(path)
	if err != nil {
		return err
	}
	var flags libvirt.NetworkPortCreateFlags
	if in.has("validate") {
		flags = libvirt.NetworkPortCreateValidate
	}
	var p libvirt.NetworkPort
	err = sh.conn.change(ctx, "virNetworkPortCreateXML", func() (err error) {
		p, err = sh.conn.virt.NetworkPortCreateXML(n, doc, uint32(flags))
		return err
	})
	if err != nil {
		return fail(err, "Failed to create network from %s", path)
	}
	sh.extraf("Network port %s created from %s\n", formatUUID(p.UUID), path)
	return nil
}

// netPortDumpXML runs net-port-dumpxml.
func netPortDumpXML(ctx context.Context, sh *shell, in invocation) error {
	expression, err := in.text("xpath")
	if err != nil {
		return err
	}
	p, _, err := sh.lookupPort(ctx, in)
	if err != nil {
		return err
	}
	var doc string
	err = sh.conn.do(ctx, "virNetworkPortGetXMLDesc", func() (err error) {
		doc, err = sh.conn.virt.NetworkPortGetXMLDesc(p, 0)
		return err
	})
	if err != nil {
		return err
	}
	return sh.printXML(ctx, doc, expression, in.has("wrap"))
}

// netPortDelete runs net-port-delete.
func netPortDelete(ctx context.Context, sh *shell, in invocation) error {
	p, given, err := sh.lookupPort(ctx, in)
	if err != nil {
		return err
	}
	err = sh.conn.change(ctx, "virNetworkPortDelete", func() error { return sh.conn.virt.NetworkPortDelete(p, 0) })
	if err != nil {
		return fail(err, "Failed to delete network port %s", given)
	}
	sh.extraf("Network port %s deleted\n", given)
	return nil
}

// lookupPort finds the port that the options "network" and "port" name. It
// also returns the port's UUID as it was given.
func (sh *shell) lookupPort(ctx context.Context, in invocation) (libvirt.NetworkPort, string, error) {
	n, _, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return libvirt.NetworkPort{}, "", err
	}
	given, err := in.text("port")
	if err != nil {
		return libvirt.NetworkPort{}, "", err
	}
	sh.debugf(levelInfo, "%s: found option <port>: %s\n", in.cmd.name, given)
	sh.debugf(levelDebug, "%s: <port> trying as network UUID\n", in.cmd.name)
	p, err := sh.conn.portByUUID(ctx, n, given)
	if err != nil {
		return p, given, fail(err, "failed to get network port '%s'", given)
	}
	return p, given, nil
}

func (s *session) portByUUID(ctx context.Context, n libvirt.Network, text string) (p libvirt.NetworkPort, err error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != len(p.UUID) {
		return p, worded("uuidstr in virNetworkPortLookupByUUIDString must be a valid UUID")
	}
	err = s.do(ctx, "virNetworkPortLookupByUUIDString", func() (err error) {
		p, err = s.virt.NetworkPortLookupByUUID(n, libvirt.UUID(raw))
		return err
	})
	return p, err
}

// networkPorts completes a port of any active network: a completion doesn't
// know which network was named.
func networkPorts(ctx context.Context, sh *shell) []string {
	var words []string
	for _, n := range sh.runningNetworks(ctx, libvirt.ConnectListNetworksActive) {
		ports, err := sh.conn.listPorts(ctx, n)
		if err != nil {
			return nil
		}
		for _, p := range ports {
			words = append(words, formatUUID(p.UUID))
		}
	}
	return words
}
