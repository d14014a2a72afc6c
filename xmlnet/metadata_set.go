package xmlnet

import (
	"slices"
	"strings"
	"unicode"
)

// WithTitle returns n with another title, none if it is empty. A title has no
// line breaks; an error is an *Error.
func (n *Network) WithTitle(title string) (*Network, error) {
	c := n.Clone()
	c.Title = title
	return c.reread()
}

// WithDescription returns n with another description, none if it is empty. An
// error is an *Error.
func (n *Network) WithDescription(text string) (*Network, error) {
	c := n.Clone()
	c.Description = text
	return c.reread()
}

// WithMetadata returns n with one element of other programs' metadata, in place
// of that of the same namespace. The element, and what it holds without a
// namespace, get the prefix key, which it binds to the namespace uri. An error
// is an *Error: XMLDetail if xml is not one element, InternalError if key
// cannot be its prefix.
func (n *Network) WithMetadata(key, uri, xml string) (*Network, error) {
	e, err := readElement(xml)
	if err != nil {
		return nil, err
	}
	if err := e.setNamespace(key, uri); err != nil {
		return nil, err
	}
	c := n.WithoutMetadata(uri)
	c.Metadata = append(c.Metadata, Metadata{Namespace: uri, XML: e.String()})
	return c.reread()
}

// WithoutMetadata returns n without the metadata of a namespace.
func (n *Network) WithoutMetadata(uri string) *Network {
	c := n.Clone()
	c.Metadata = slices.DeleteFunc(c.Metadata, func(m Metadata) bool { return m.Namespace == uri })
	if len(c.Metadata) == 0 {
		c.Metadata = nil
	}
	return c
}

// MetadataOf returns the metadata element of a namespace as libvirt's API
// does: without the namespace's declaration and its prefix. ok is false if there
// is none.
func (n *Network) MetadataOf(uri string) (xml string, ok bool) {
	i := slices.IndexFunc(n.Metadata, func(m Metadata) bool { return m.Namespace == uri })
	if i < 0 {
		return "", false
	}
	e, err := readElement(n.Metadata[i].XML)
	if err != nil {
		panic(err) // it was printed by us
	}
	e.leaveNamespace(uri)
	return e.String(), true
}

// reread prints and parses n, so that what cannot be stored is refused now.
func (n *Network) reread() (*Network, error) {
	again, _, err := Parse(n.Format(FormatOptions{}))
	return again, err
}

// readElement reads a document with any root element.
func readElement(xml string) (*node, error) {
	if err := wellFormed([]byte(xml)); err != nil {
		return nil, err
	}
	root, err := readNodes([]byte(xml))
	if err != nil {
		return nil, errf(XMLDetail, "read metadata: %v", err)
	}
	i := slices.IndexFunc(root.children, func(c *node) bool { return c.kind == elementNode })
	return root.children[i], nil
}

// local returns an element's name without its prefix.
func (n *node) local() string {
	if _, name, ok := strings.Cut(n.name, ":"); ok {
		return name
	}
	return n.name
}

// setNamespace puts an element, with those that it holds and that are in no
// namespace, into one. An element that is in it by another prefix keeps that.
func (n *node) setNamespace(prefix, uri string) error {
	if !isNCName(prefix) {
		return errf(InternalError, "failed to validate prefix for a new XML namespace")
	}
	decl := xmlAttr{"xmlns:" + prefix, uri}
	i := slices.IndexFunc(n.decls, func(d xmlAttr) bool { return d.name == decl.name })
	switch {
	case uri == "" || i >= 0 && n.decls[i] != decl:
		return errf(InternalError, "failed to create a new XML namespace")
	case i < 0:
		n.decls = append(n.decls, decl)
	}
	if n.space() != uri {
		n.name = n.local()
		n.decls = slices.DeleteFunc(n.decls, func(d xmlAttr) bool { return d.name == "xmlns" })
		n.addPrefix(prefix)
	}
	return nil
}

// addPrefix gives a prefix to an element and those in it that have neither one
// nor a default namespace.
func (n *node) addPrefix(prefix string) {
	if n.kind != elementNode || slices.ContainsFunc(n.decls, func(d xmlAttr) bool { return d.name == "xmlns" }) {
		return
	}
	if n.name == n.local() {
		n.name = prefix + ":" + n.name
	}
	for _, c := range n.children {
		c.addPrefix(prefix)
	}
}

// leaveNamespace takes an element, and those that it holds, out of a namespace
// that it declares. Of two declarations the second one stays, as in libvirt.
func (n *node) leaveNamespace(uri string) {
	var prefixes []string
	for _, d := range n.decls {
		if d.value == uri {
			prefixes = append(prefixes, strings.TrimPrefix(d.name, "xmlns:"))
		}
	}
	if i := slices.IndexFunc(n.decls, func(d xmlAttr) bool { return d.value == uri }); i >= 0 {
		n.decls = slices.Delete(n.decls, i, i+1)
	}
	n.dropPrefixes(prefixes)
}

// dropPrefixes takes prefixes from the names of an element, of its attributes
// and of what it holds.
func (n *node) dropPrefixes(prefixes []string) {
	drop := func(name string) string {
		if prefix, local, ok := strings.Cut(name, ":"); ok && slices.Contains(prefixes, prefix) {
			return local
		}
		return name
	}
	n.name = drop(n.name)
	for i := range n.attrs {
		n.attrs[i].name = drop(n.attrs[i].name)
	}
	for _, c := range n.children {
		c.dropPrefixes(prefixes)
	}
}

// isNCName tells whether a name may be a prefix (Namespaces in XML, §4).
func isNCName(name string) bool {
	for i, r := range name {
		first := unicode.IsLetter(r) || r == '_'
		if !first && (i == 0 || !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '-' && r != '.') {
			return false
		}
	}
	return name != ""
}
