package xmlnet

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// A document's <metadata> holds other programs' elements. libvirt keeps those
// that have a namespace, the first of each, and prints them as libxml2 does.

// foreignText is where an open <metadata> has its content.
type foreignText struct {
	from  int64
	line  int
	outer []xml.Attr // namespace declarations around the content
}

// beginMetadata notes that <metadata> t was just opened.
func (s *scanner) beginMetadata(t xml.StartElement, line int) {
	for _, a := range t.Attr {
		if !isNamespaceDecl(a.Name) {
			s.warn(line, "unknown attribute '%s'", a.Name.Local)
		}
	}
	s.foreign = foreignText{
		from:  s.dec.InputOffset(),
		line:  line,
		outer: slices.Concat(s.rootAttrs, t.Attr),
	}
}

// endMetadata keeps what libvirt keeps of the content, which ends at offset
// to and is known to be well-formed.
func (s *scanner) endMetadata(to int64) error {
	root, err := readNodes(s.doc[s.foreign.from:to])
	if err != nil {
		return s.errorAt(to, err.Error())
	}
	outer := map[string]string{}
	for _, a := range s.foreign.outer {
		if a.Name.Space == "xmlns" {
			outer[a.Name.Local] = a.Value
		}
	}
	s.metadata = nil
	seen := map[string]bool{}
	for _, c := range root.children {
		if c.kind != elementNode {
			continue
		}
		c.declare(outer)
		space := c.space()
		switch {
		case space == "":
			s.note(&Warning{Line: s.foreign.line, Text: fmt.Sprintf("element <%s> without a namespace", shorten(c.name))})
		case seen[space]:
			s.note(&Warning{Line: s.foreign.line, Text: fmt.Sprintf("second element <%s> of its namespace", shorten(c.name))})
		default:
			seen[space] = true
			s.metadata = append(s.metadata, Metadata{Namespace: space, XML: c.String()})
		}
	}
	return nil
}

// space returns the namespace URI of n, which declares it itself, or "".
func (n *node) space() string {
	decl := "xmlns"
	if prefix, _, ok := strings.Cut(n.name, ":"); ok {
		decl += ":" + prefix
	}
	for _, d := range n.decls {
		if d.name == decl {
			return d.value
		}
	}
	return ""
}

// declare makes n stand by itself: it declares those of the namespaces around
// it (prefix to URI) that n or what it holds uses.
func (n *node) declare(outer map[string]string) {
	for _, prefix := range n.undeclared(nil, nil) {
		if uri, ok := outer[prefix]; ok {
			n.decls = append(n.decls, xmlAttr{"xmlns:" + prefix, uri})
		}
	}
}

// undeclared appends to found, once each, the prefixes used in n that neither
// n declares nor, as known says, an element around it.
func (n *node) undeclared(found, known []string) []string {
	known = slices.Clip(known)
	for _, d := range n.decls {
		known = append(known, strings.TrimPrefix(d.name, "xmlns:"))
	}
	use := func(name string) {
		prefix, _, ok := strings.Cut(name, ":")
		if ok && !slices.Contains(known, prefix) && !slices.Contains(found, prefix) {
			found = append(found, prefix)
		}
	}
	use(n.name)
	for _, a := range n.attrs {
		use(a.name)
	}
	for _, c := range n.children {
		found = c.undeclared(found, known)
	}
	return found
}
