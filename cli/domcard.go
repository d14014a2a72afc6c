package cli

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/lestrrat-go/helium"
	"github.com/lestrrat-go/helium/xpath1"
)

// card is an <interface> of a domain.
type card struct {
	xml string // the element as libvirt wrote it
	// What its attributes say; "" where there is none.
	kind, mac, target, model, source, network, link string
}

// cards reads the interfaces of a domain's definition, in its order.
func cards(ctx context.Context, doc string) ([]card, error) {
	tree, err := helium.NewParser().Parse(ctx, []byte(doc))
	if err != nil {
		return nil, fmt.Errorf("parse the domain's definition: %w", err)
	}
	compiled, err := xpath1.Compile("/domain/devices/interface")
	if err != nil {
		return nil, err
	}
	result, err := xpath1.NewEvaluator().Evaluate(ctx, compiled, tree)
	if err != nil {
		return nil, err
	}
	var all []card
	for _, n := range result.NodeSet {
		if e, ok := n.(*helium.Element); ok {
			all = append(all, readCard(e))
		}
	}
	return all, nil
}

func readCard(e *helium.Element) card {
	var w xmlWriter
	w.node(e, 0, false)
	c := card{xml: w.String(), kind: attribute(e, "type")}
	for n := range helium.Children(e) {
		child, ok := n.(*helium.Element)
		if !ok {
			continue
		}
		switch child.Name() {
		case "mac":
			c.mac = attribute(child, "address")
		case "target":
			c.target = attribute(child, "dev")
		case "model":
			c.model = attribute(child, "type")
		case "link":
			c.link = attribute(child, "state")
		case "source":
			c.source, c.network = firstOf(child, "bridge", "dev", "network", "name", "path"), attribute(child, "network")
		}
	}
	return c
}

func attribute(e *helium.Element, name string) string {
	for _, a := range e.Attributes() {
		if a.Name() == name {
			return a.Value()
		}
	}
	return ""
}

// firstOf returns the attribute that stands first in the document among those
// named.
func firstOf(e *helium.Element, names ...string) string {
	for _, a := range e.Attributes() {
		for _, name := range names {
			if a.Name() == name {
				return a.Value()
			}
		}
	}
	return ""
}

// isNamed reports whether name, a link or a MAC address, is this card's.
func (c card) isNamed(name string) bool {
	if isMAC(name) {
		return strings.EqualFold(c.mac, name)
	}
	return c.target == name && name != ""
}

var macPattern = regexp.MustCompile(`^[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}$`)

func isMAC(s string) bool { return macPattern.MatchString(s) }

var linkElement = regexp.MustCompile(`<link state="[^"]*"/>`)

// withLink returns the element with the state of its link set.
func (c card) withLink(state string) string {
	want := `<link state="` + state + `"/>`
	if linkElement.MatchString(c.xml) {
		return linkElement.ReplaceAllLiteralString(c.xml, want)
	}
	if head, ok := strings.CutSuffix(c.xml, "/>"); ok && !strings.Contains(c.xml, "</interface>") {
		return head + ">" + want + "</interface>"
	}
	return strings.TrimSuffix(c.xml, "</interface>") + want + "</interface>"
}

// cards reads those of the domain.
func (d onDomain) cards(ctx context.Context, inactive bool) ([]card, error) {
	doc, err := d.xml(ctx, inactive)
	if err != nil {
		return nil, err
	}
	return cards(ctx, doc)
}
