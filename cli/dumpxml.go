package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lestrrat-go/helium"
	"github.com/lestrrat-go/helium/xpath1"
)

// netDumpXML runs net-dumpxml.
func netDumpXML(ctx context.Context, sh *shell, in invocation) error {
	expression, err := in.text("xpath")
	if err != nil {
		return err
	}
	n, _, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	doc, err := sh.conn.xml(ctx, n, in.has("inactive"))
	if err != nil {
		return err
	}
	return sh.printXML(ctx, doc, expression, in.has("wrap"))
}

// printXML prints a document, or the nodes of it that an XPath expression
// selects.
func (sh *shell) printXML(ctx context.Context, doc, expression string, wrap bool) error {
	if expression == "" {
		sh.printf("%s", doc)
		return nil
	}
	found, err := selectXML(ctx, doc, expression, wrap)
	if syntax := new(xpathSyntaxError); errors.As(err, &syntax) {
		// libvirt's library prints this by itself, and virsh counts it as
		// success.
		fmt.Fprintf(sh.errOut, "XPath error : Invalid expression\n%s\n", expression)
		return nil
	}
	if err != nil {
		return err
	}
	sh.printf("%s", found)
	return nil
}

// xpathSyntaxError is an expression that is not XPath 1.0.
type xpathSyntaxError struct{ err error }

func (e *xpathSyntaxError) Error() string { return e.err.Error() }

// selectXML returns the nodes of a document that an XPath 1.0 expression
// selects, indented, a line for each; with wrap inside one element <nodes>.
// An expression that selects no nodes but a value is an error.
func selectXML(ctx context.Context, doc, expression string, wrap bool) (string, error) {
	tree, err := helium.NewParser().StripBlanks(true).Parse(ctx, []byte(doc))
	if err != nil {
		return "", fmt.Errorf("parse the network's definition: %w", err)
	}
	compiled, err := xpath1.Compile(expression)
	if err != nil {
		return "", &xpathSyntaxError{err}
	}
	result, err := xpath1.NewEvaluator().Evaluate(ctx, compiled, tree)
	if err != nil || result.Type != xpath1.NodeSetResult {
		return "", worded(fmt.Sprintf("internal error: Incorrect xpath '%s'", expression))
	}
	var w xmlWriter
	if wrap {
		w.wrapped(result.NodeSet)
		return w.String(), nil
	}
	for _, n := range result.NodeSet {
		w.node(n, 0, true)
		w.WriteString("\n")
	}
	return w.String(), nil
}

// xmlWriter prints nodes as libxml2 does when it indents: two spaces a
// level, except inside an element that holds text.
type xmlWriter struct{ strings.Builder }

// wrapped prints nodes inside <nodes>; attributes become its own, the last
// of a name counts.
func (w *xmlWriter) wrapped(nodes []helium.Node) {
	var (
		attrs    []*helium.Attribute
		children []helium.Node
	)
	for _, n := range nodes {
		if a, ok := n.(*helium.Attribute); ok {
			attrs = setAttribute(attrs, a)
		} else {
			children = append(children, n)
		}
	}
	w.WriteString("<nodes")
	for _, a := range attrs {
		w.attribute(a)
	}
	w.content("nodes", children, 0, true)
	w.WriteString("\n")
}

// setAttribute adds a to attrs in the place of one of its name.
func setAttribute(attrs []*helium.Attribute, a *helium.Attribute) []*helium.Attribute {
	for i := range attrs {
		if attrs[i].Name() == a.Name() {
			attrs[i] = a
			return attrs
		}
	}
	return append(attrs, a)
}

// node prints a node that stands at a depth.
func (w *xmlWriter) node(n helium.Node, depth int, indent bool) {
	switch n := n.(type) {
	case *helium.Document:
		for c := range helium.Children(n) {
			w.node(c, depth, indent)
		}
	case *helium.Element:
		w.element(n, depth, indent)
	case *helium.Attribute:
		w.attribute(n)
	case *helium.Comment:
		w.WriteString("<!--" + string(n.Content()) + "-->")
	case *helium.CDATASection:
		w.WriteString("<![CDATA[" + string(n.Content()) + "]]>")
	case *helium.ProcessingInstruction:
		w.WriteString("<?" + n.Name() + " " + string(n.Content()) + "?>")
	default:
		w.WriteString(textEscaper.Replace(string(n.Content())))
	}
}

func (w *xmlWriter) attribute(a *helium.Attribute) {
	w.WriteString(` ` + a.Name() + `="` + attributeEscaper.Replace(a.Value()) + `"`)
}

// element prints a start tag with its namespaces and attributes, and what is
// inside.
func (w *xmlWriter) element(e *helium.Element, depth int, indent bool) {
	w.WriteString("<" + e.Name())
	for _, ns := range e.Namespaces() {
		name := "xmlns"
		if ns.Prefix() != "" {
			name += ":" + ns.Prefix()
		}
		w.WriteString(` ` + name + `="` + attributeEscaper.Replace(ns.URI()) + `"`)
	}
	for _, a := range e.Attributes() {
		w.attribute(a)
	}
	var children []helium.Node
	for c := range helium.Children(e) {
		children = append(children, c)
	}
	w.content(e.Name(), children, depth, indent)
}

// content prints what is inside an element whose start tag lacks its end.
func (w *xmlWriter) content(name string, children []helium.Node, depth int, indent bool) {
	if len(children) == 0 {
		w.WriteString("/>")
		return
	}
	w.WriteString(">")
	indent = indent && !holdsText(children)
	for _, c := range children {
		if indent {
			w.WriteString("\n" + strings.Repeat("  ", depth+1))
		}
		w.node(c, depth+1, indent)
	}
	if indent {
		w.WriteString("\n" + strings.Repeat("  ", depth))
	}
	w.WriteString("</" + name + ">")
}

func holdsText(nodes []helium.Node) bool {
	for _, n := range nodes {
		switch n.(type) {
		case *helium.Text, *helium.EntityRef:
			return true
		}
	}
	return false
}

// What libxml2 escapes in text and in attributes.
var (
	textEscaper      = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#13;")
	attributeEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\n", "&#10;", "\r", "&#13;", "\t", "&#9;")
)
