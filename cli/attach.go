package cli

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// attachInterface runs attach-interface.
func attachInterface(ctx context.Context, sh *shell, in invocation) error {
	if err := exclusive(in); err != nil {
		return err
	}
	d, err := sh.domain(ctx, in)
	if err != nil {
		return err
	}
	doc, err := newCard(in)
	if err != nil {
		return err
	}
	if in.has("print-xml") {
		sh.printf("%s", doc)
		return nil
	}
	flags, err := d.affected(ctx, in)
	if err != nil {
		return err
	}
	err = d.s.change(ctx, "virDomainAttachDevice", func() error {
		if flags == 0 && !in.has("current") {
			return d.s.virt.DomainAttachDevice(d.Domain, doc)
		}
		return d.s.virt.DomainAttachDeviceFlags(d.Domain, doc, flags)
	})
	if err != nil {
		return fail(err, "Failed to attach interface")
	}
	sh.extraf("Interface attached successfully\n")
	return nil
}

// newCard returns the XML of the interface that attach-interface's options
// describe.
func newCard(in invocation) (string, error) {
	var w strings.Builder
	if err := writeSource(&w, in); err != nil {
		return "", err
	}
	for _, o := range []struct{ option, element string }{
		{"target", "target dev"}, {"mac", "mac address"}, {"script", "script path"},
		{"model", "model type"}, {"alias", "alias name"},
	} {
		value, err := in.text(o.option)
		if err != nil {
			return "", err
		}
		if value != "" {
			fmt.Fprintf(&w, "  <%s='%s'/>\n", o.element, quoted(value))
		}
	}
	if in.has("inbound") || in.has("outbound") {
		inbound, out, err := rates(in)
		if err != nil {
			return "", err
		}
		w.WriteString("  <bandwidth>\n")
		inbound.write(&w, "inbound")
		out.write(&w, "outbound")
		w.WriteString("  </bandwidth>\n")
	}
	return w.String() + "</interface>\n", nil
}

// writeSource writes the start tag and what the interface is connected to.
func writeSource(w *strings.Builder, in invocation) error {
	kind, source := in.values["type"], in.values["source"]
	if in.has("portgroup") && kind != "network" {
		return worded("--portgroup needs the type network")
	}
	managed := ""
	if in.has("managed") {
		managed = " managed='yes'"
	}
	element := ""
	switch kind {
	case "network", "bridge":
		group := ""
		if name := in.values["portgroup"]; name != "" && kind == "network" {
			group = fmt.Sprintf(" portgroup='%s'", quoted(name))
		}
		element = fmt.Sprintf("  <source %s='%s'%s/>\n", kind, quoted(source), group)
	case "direct":
		mode := in.values["source-mode"]
		switch mode {
		case "":
			element = fmt.Sprintf("  <source dev='%s'/>\n", quoted(source))
		case "vepa", "bridge", "private", "passthrough":
			element = fmt.Sprintf("  <source dev='%s' mode='%s'/>\n", quoted(source), mode)
		default:
			return worded("Invalid source mode: " + mode)
		}
	case "hostdev":
		pci := pciPattern.FindStringSubmatch(source)
		if pci == nil {
			return worded(fmt.Sprintf("cannot parse pci address '%s' for network interface", source))
		}
		element = fmt.Sprintf("  <source>\n    <address type='pci' domain='0x%s' bus='0x%s' slot='0x%s' function='0x%s'/>\n  </source>\n",
			pci[1], pci[2], pci[3], pci[4])
	default:
		return worded(fmt.Sprintf("No support for %s in command 'attach-interface'", kind))
	}
	fmt.Fprintf(w, "<interface type='%s'%s>\n%s", kind, managed, element)
	return nil
}

var pciPattern = regexp.MustCompile(`^(?:pci:)?([0-9a-fA-F]{4})[:.]([0-9a-fA-F]{2})[:.]([0-9a-fA-F]{2})[:.]([0-7])$`)

// quoted escapes a value for an attribute in single quotes.
func quoted(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;", `"`, "&quot;").Replace(s)
}

// detachInterface runs detach-interface.
func detachInterface(ctx context.Context, sh *shell, in invocation) error {
	if err := exclusive(in); err != nil {
		return err
	}
	d, err := sh.domain(ctx, in)
	if err != nil {
		return err
	}
	flags, err := d.affected(ctx, in)
	if err != nil {
		return err
	}
	if in.has("print-xml") {
		c, err := d.cardToDetach(ctx, in, in.has("config"))
		if err != nil {
			return detachFailed(err)
		}
		sh.printf("%s", c.xml)
		return nil
	}
	if err := d.detach(ctx, in, flags); err != nil {
		return detachFailed(err)
	}
	sh.extraf("Interface detached successfully\n")
	return nil
}

// detachFailed puts what was wrong with the options first, what libvirt said
// last.
func detachFailed(err error) error {
	const failed = "Failed to detach interface"
	if ours, ok := err.(worded); ok {
		return &failure{lines: []string{string(ours), failed}}
	}
	return fail(err, failed)
}

// detach takes a card from the definition on disk and from the running
// domain, each as it is written there.
func (d onDomain) detach(ctx context.Context, in invocation, flags uint32) error {
	todo := []uint32{flags}
	if flags == affectConfig|affectLive {
		todo = []uint32{affectConfig, affectLive}
	}
	for _, flags := range todo {
		c, err := d.cardToDetach(ctx, in, flags == affectConfig)
		if err != nil {
			return err
		}
		err = d.s.change(ctx, "virDomainDetachDevice", func() error {
			if flags == 0 && !in.has("current") {
				return d.s.virt.DomainDetachDevice(d.Domain, c.xml)
			}
			return d.s.virt.DomainDetachDeviceFlags(d.Domain, c.xml, flags)
		})
		if err != nil {
			return err
		}
		if flags != affectConfig {
			if err := d.awaitGone(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// A running guest has to let go of a card: libvirt waits 5 s and then leaves
// it to the guest.
const (
	detachPatience = 20 * time.Second
	detachLook     = 100 * time.Millisecond
)

// awaitGone waits until the domain has the card no more.
func (d onDomain) awaitGone(ctx context.Context, gone card) error {
	for end := time.Now().Add(detachPatience); ; {
		all, err := d.cards(ctx, false)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(c card) bool { return c.mac == gone.mac && c.target == gone.target }) {
			return nil
		}
		if time.Now().After(end) {
			return worded(fmt.Sprintf("the guest has not let go of the interface within %v; it goes when the guest does", detachPatience))
		}
		select {
		case <-time.After(detachLook):
		case <-ctx.Done():
			return errInterrupted
		}
	}
}

// cardToDetach finds the card that the options name: the one of its type, or
// that with the MAC address. A running domain's card on a facade is of type
// bridge to libvirt, but still names the network: it is found by either.
func (d onDomain) cardToDetach(ctx context.Context, in invocation, inactive bool) (card, error) {
	all, err := d.cards(ctx, inactive)
	if err != nil {
		return card{}, err
	}
	kind := in.values["type"]
	var found []card
	for _, c := range all {
		if c.kind == kind || kind == "network" && c.network != "" {
			found = append(found, c)
		}
	}
	mac, given := in.values["mac"]
	switch {
	case len(found) == 0:
		return card{}, worded("No interface found whose type is " + kind)
	case !given && len(found) > 1:
		return card{}, worded(fmt.Sprintf("Domain has %d interfaces. Please specify which one to detach using --mac", len(found)))
	case !given:
		return found[0], nil
	}
	for _, c := range found {
		if strings.EqualFold(c.mac, mac) {
			return c, nil
		}
	}
	return card{}, worded(fmt.Sprintf("No interface with MAC address %s was found", mac))
}
