package xmlnet

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// nodeKind is a kind of XML node.
type nodeKind uint8

const (
	elementNode nodeKind = iota
	textNode
	cdataNode
	commentNode
	procInstNode
)

// node is a node of other programs' XML.
type node struct {
	kind     nodeKind
	name     string    // of an element, with its prefix
	decls    []xmlAttr // its namespace declarations
	attrs    []xmlAttr // its other attributes
	children []*node
	text     string // of all the other kinds, without delimiters
}

// xmlAttr is an attribute as written, with its prefix.
type xmlAttr struct{ name, value string }

// readNodes reads raw, well-formed content, into the children of a node. Text
// that is only there to indent is left out, by the rules of libxml2.
func readNodes(raw []byte) (*node, error) {
	root := &node{}
	open := []*node{root}
	dec := xml.NewDecoder(bytes.NewReader(raw))
	for {
		from := dec.InputOffset()
		// Raw tokens keep the prefixes.
		tok, err := dec.RawToken()
		if errors.Is(err, io.EOF) && len(open) == 1 {
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		parent := open[len(open)-1]
		switch t := tok.(type) {
		case xml.StartElement:
			n := newElement(t, raw[from:dec.InputOffset()])
			parent.children = append(parent.children, n)
			open = append(open, n)
		case xml.EndElement:
			if len(open) == 1 || written(t.Name) != parent.name {
				return nil, fmt.Errorf("unexpected end tag %s", written(t.Name))
			}
			open = open[:len(open)-1]
		case xml.CharData:
			parent.addText(string(t), raw[from:dec.InputOffset()], raw[dec.InputOffset():])
		case xml.Comment:
			parent.children = append(parent.children, &node{kind: commentNode, text: string(t)})
		case xml.ProcInst:
			text := strings.TrimSpace(t.Target + " " + string(t.Inst))
			parent.children = append(parent.children, &node{kind: procInstNode, text: text})
		}
	}
}

// newElement returns t as a node; raw is its start tag.
func newElement(t xml.StartElement, raw []byte) *node {
	normalizeAttrs(t.Attr, raw)
	n := &node{name: written(t.Name)}
	for _, a := range t.Attr {
		attr := xmlAttr{written(a.Name), a.Value}
		if isNamespaceDecl(a.Name) {
			n.decls = append(n.decls, attr)
		} else {
			n.attrs = append(n.attrs, attr)
		}
	}
	return n
}

// written returns a raw token's name as it is written.
func written(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// addText adds character data to n's children, written raw and followed by
// rest, unless it only indents them.
func (n *node) addText(text string, raw, rest []byte) {
	if bytes.HasPrefix(raw, []byte("<![CDATA[")) {
		n.children = append(n.children, &node{kind: cdataNode, text: text})
		return
	}
	blank := strings.Trim(text, " \t\r\n") == "" && !bytes.ContainsRune(raw, '&')
	if blank && n.indents(rest) {
		return
	}
	n.children = append(n.children, &node{kind: textNode, text: text})
}

// indents tells whether blank text followed by rest only indents n's children:
// it isn't all that n holds, and n doesn't mix text with elements so far.
func (n *node) indents(rest []byte) bool {
	if len(n.children) == 0 {
		return !bytes.HasPrefix(rest, []byte("</"))
	}
	return n.children[0].kind != textNode && n.children[len(n.children)-1].kind != textNode
}

// String prints n as libxml2 does, indented, unindented at its first line.
func (n *node) String() string {
	var b strings.Builder
	n.write(&b, 0, true)
	return b.String()
}

// write prints n; indent tells whether its children, at level+1, get lines of
// their own, which they don't as soon as there is text among them.
func (n *node) write(b *strings.Builder, level int, indent bool) {
	switch n.kind {
	case textNode:
		nodeText.WriteString(b, n.text)
	case cdataNode:
		b.WriteString("<![CDATA[" + n.text + "]]>")
	case commentNode:
		b.WriteString("<!--" + n.text + "-->")
	case procInstNode:
		b.WriteString("<?" + n.text + "?>")
	case elementNode:
		n.writeElement(b, level, indent)
	}
}

func (n *node) writeElement(b *strings.Builder, level int, indent bool) {
	b.WriteString("<" + n.name)
	for _, d := range n.decls {
		b.WriteString(" " + d.name + `="`)
		nodeDecl.WriteString(b, d.value)
		b.WriteByte('"')
	}
	for _, a := range n.attrs {
		b.WriteString(" " + a.name + `="`)
		writeNodeAttr(b, a.value)
		b.WriteByte('"')
	}
	if len(n.children) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteByte('>')
	indent = indent && !n.mixed()
	for i, c := range n.children {
		if indent {
			b.WriteString("\n" + strings.Repeat("  ", level+1))
		}
		if n.looksLikeIndent(i) {
			fmt.Fprintf(b, "&#%d;%s", c.text[0], c.text[1:])
			continue
		}
		c.write(b, level+1, indent)
	}
	if indent {
		b.WriteString("\n" + strings.Repeat("  ", level))
	}
	b.WriteString("</" + n.name + ">")
}

// looksLikeIndent tells whether n's i'th child is blank text that a reader
// would take for indentation, were it printed as it is.
func (n *node) looksLikeIndent(i int) bool {
	c := n.children[i]
	if c.kind != textNode || c.text == "" || strings.Trim(c.text, " \t\r\n") != "" || len(n.children) == 1 {
		return false
	}
	before := node{children: n.children[:i]}
	return before.indents(nil)
}

// mixed tells whether there is text among n's children.
func (n *node) mixed() bool {
	for _, c := range n.children {
		if c.kind == textNode || c.kind == cdataNode {
			return true
		}
	}
	return false
}

// libxml2's escapes.
var (
	nodeText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#13;")
	nodeDecl = strings.NewReplacer("&", "&#38;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\r", "&#13;", "\n", "&#10;", "\t", "&#9;")
	nodeAttr = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\r", "&#13;", "\n", "&#10;", "\t", "&#9;")
)

// writeNodeAttr prints an attribute's value; libxml2 writes what is not ASCII
// as character references there, and only there.
func writeNodeAttr(b *strings.Builder, value string) {
	for i := 0; i < len(value); {
		if value[i] < 0x80 {
			j := i
			for j < len(value) && value[j] < 0x80 {
				j++
			}
			nodeAttr.WriteString(b, value[i:j])
			i = j
			continue
		}
		for _, r := range value[i:] {
			if r < 0x80 {
				break
			}
			fmt.Fprintf(b, "&#x%X;", r)
			i += len(string(r))
		}
	}
}
