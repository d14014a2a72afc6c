package xmlnet

import (
	"fmt"
	"strings"
)

// Parse reads a network definition as libvirt 11 does when it loads one from
// its disk; Validate has the checks that it makes besides when a network is
// defined or created. What libvirt ignores - elements and attributes that it
// doesn't know or that come twice - is ignored and returned as warnings. An
// error is an *Error.
//
// Unlike libvirt it refuses negative numbers for the MTU (libvirt wraps them),
// a bridge delay of 2^32 and more, addresses with a zone, reservations whose
// address is of another family than the <ip> they are in, and any document
// type declaration.
func Parse(doc []byte) (*Network, []Warning, error) {
	s, err := scan(doc)
	if err != nil {
		return nil, nil, err
	}
	n, err := s.network()
	if err != nil {
		return nil, nil, err
	}
	return n, s.warnings, nil
}

// ParseStrict is Parse for a client that asked for validation: what libvirt's
// schema does not allow, also of values that Parse would take, is an error of
// kind XMLInvalidSchema. Inside <metadata> any element goes.
func ParseStrict(doc []byte) (*Network, error) {
	if err := conforms(doc, "network", networkGrammar); err != nil {
		return nil, err
	}
	s, err := scan(doc)
	if err != nil {
		return nil, err
	}
	if w := s.invalid; w != nil {
		return nil, errf(XMLInvalidSchema, "did not expect %s in %s, line %d", w.Text, w.Place, w.Line)
	}
	return s.network()
}

// network makes the scanned document a Network.
func (s *scanner) network() (*Network, error) {
	doc, err := s.shape()
	if err != nil {
		return nil, err
	}
	r := &reader{doc: doc, n: &Network{Metadata: s.metadata}}
	for _, read := range []func() error{
		r.identity, r.generic, r.domain, r.wholeBandwidth, r.wholeVLAN, r.bridge, r.dns,
		r.wholeVirtualPort, r.portGroups, r.ips, r.routes, r.forward, r.modeRules, r.options,
	} {
		if err := read(); err != nil {
			return nil, flatten(err)
		}
	}
	return r.n, nil
}

// reader turns a document into a Network, part by part in libvirt's order, so
// that of two faults the same one is named.
type reader struct {
	doc *document
	n   *Network
	// partial is set for a part that need only name what it is to delete.
	partial bool
}

// identity reads name, uuid, title and description.
func (r *reader) identity() error {
	d, n := r.doc, r.n
	switch {
	case d.Name == "":
		return errf(NoName, "missing name information")
	case strings.Contains(d.Name, "/"):
		return errf(XMLDetail, "invalid char in name: /")
	case strings.Contains(d.Title, "\n"):
		return errf(XMLError, "Network title can't contain newlines")
	}
	if d.UUID != "" {
		id, err := ParseUUID(d.UUID)
		if err != nil {
			return errf(InternalError, "malformed uuid element")
		}
		n.UUID = id
	}
	n.Name, n.Title, n.Description = d.Name, d.Title, d.Description
	return nil
}

// generic reads the attributes of the network and its small elements.
func (r *reader) generic() error {
	d, n := r.doc, r.n
	if d.Network.IPv6 != "" && tristate(d.Network.IPv6) == Unset {
		return errf(XMLError, "Invalid ipv6 setting '%s' in network '%s'", d.Network.IPv6, n.Name)
	}
	n.IPv6 = d.Network.IPv6 == "yes"
	n.TrustGuestRxFilters = tristate(d.Network.TrustGuestRxFilters)
	if d.Network.PortOptions != nil {
		n.Isolated = tristate(d.Network.PortOptions.Isolated)
	}
	if d.MTU.Size != "" {
		size, ok := number(d.MTU.Size, 10, 1<<32-1)
		if !ok {
			return errf(XMLError, "Invalid mtu size '%s' in network '%s'", d.MTU.Size, n.Name)
		}
		n.MTU = uint32(size)
	}
	return r.mac()
}

// mac reads the bridge's MAC address.
func (r *reader) mac() error {
	if r.doc.Network.MAC == nil || r.doc.Network.MAC.Address == "" {
		return nil
	}
	text := r.doc.Network.MAC.Address
	mac, ok := parseMAC(text)
	if !ok {
		return errf(XMLError, "Invalid bridge mac address '%s' in network '%s'", text, r.n.Name)
	}
	if multicast(mac) {
		return errf(XMLError, "Invalid multicast bridge mac address '%s' in network '%s'", text, r.n.Name)
	}
	r.n.MAC = mac
	return nil
}

// domain reads the DNS domain. Without a name the element means nothing.
func (r *reader) domain() error {
	d := r.doc.Network.Domain
	if d == nil {
		return nil
	}
	got := Domain{Name: d.Name, LocalOnly: tristate(d.LocalOnly), Register: tristate(d.Register)}
	if got.Register == Yes && got.LocalOnly != Yes {
		return errf(ConfigUnsupported, "'register=yes' in <domain> requires 'localOnly=yes' in network '%s'", r.n.Name)
	}
	if got.Name != "" {
		r.n.Domain = got
	}
	return nil
}

// options reads the dnsmasq namespace.
func (r *reader) options() error {
	for _, list := range r.doc.Options {
		for _, o := range list.Option {
			if o.Value == nil {
				return errf(InternalError, "No dnsmasq options value specified")
			}
			r.n.DNSMasqOptions = append(r.n.DNSMasqOptions, *o.Value)
		}
	}
	return nil
}

// tristate returns the state that text, which the scanner checked, says.
func tristate(text string) Tristate {
	switch text {
	case "yes":
		return Yes
	case "no":
		return No
	}
	return Unset
}

// placedError is an error that knows where in the document it is.
type placedError struct {
	err   *Error
	place string
}

func (p *placedError) Error() string { return p.err.Text + " (" + p.place + ")" }

// in puts an error about something that can be repeated into its place, below
// which it may have one already.
func in(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	place := fmt.Sprintf(format, args...)
	if p, ok := err.(*placedError); ok {
		return &placedError{p.err, place + "/" + p.place}
	}
	return &placedError{err.(*Error), place}
}

// flatten returns err as an *Error, with its place in the text.
func flatten(err error) error {
	if p, ok := err.(*placedError); ok {
		return &Error{Kind: p.err.Kind, Text: p.Error()}
	}
	return err
}
