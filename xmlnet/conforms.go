package xmlnet

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// particle is what libvirt's RELAX NG schema (network.rng) wants an element to
// be. It is stricter than schema, which is what libvirt's parser reads: the
// parser takes values that the schema refuses, and the other way round.
type particle struct {
	attrs    map[string]attrPattern
	children map[string]child
	// text is what text must be; nil: blanks only.
	text func(string) bool
	// any holds for elements in which everything goes.
	any bool
	// either says what else must hold of attributes and children together; ""
	// if it does.
	either func(seen) string
	// like chooses the particle that an element with these attributes is held
	// against in place of this one; nil: this one.
	like func(attrs map[string]string) *particle
}

// attrPattern is one attribute of a particle.
type attrPattern struct {
	fits     func(string) bool
	required bool
}

// child is a particle in another; without many it comes once at most.
type child struct {
	*particle
	many, required bool
}

// seen is what an element held.
type seen struct {
	attrs    map[string]string
	children map[string]int
	text     []byte
}

// frame is an open element.
type frame struct {
	name string
	is   *particle
	seen
}

// conforms checks doc, with a root of that name, against libvirt's schema; the
// error is an *Error of kind
// XMLInvalidSchema that names the first thing that it does not
// allow. What is not well-formed is for the scanner to refuse, and conforms here.
func conforms(doc []byte, root string, is *particle) error {
	if len(doc) > maxSize {
		return nil
	}
	dec := xml.NewDecoder(bytes.NewReader(doc))
	open := []frame{{is: &particle{children: contents{root: once(is)}}, seen: seen{children: map[string]int{}}}}
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil
		}
		line, _ := dec.InputPos()
		if fault := step(&open, tok); fault != "" {
			return errf(XMLInvalidSchema, "%s, line %d", fault, line)
		}
		if len(open) > maxDepth {
			return nil
		}
	}
}

// step takes one token into the open elements, and says what is wrong with it.
func step(open *[]frame, tok xml.Token) string {
	top := &(*open)[len(*open)-1]
	switch t := tok.(type) {
	case xml.StartElement:
		next, fault := top.child(t)
		if fault != "" {
			return fault
		}
		*open = append(*open, next)
	case xml.CharData:
		if top.is.text != nil {
			top.seen.text = append(top.seen.text, t...)
		} else if !top.is.any && len(bytes.TrimSpace(t)) > 0 {
			return fmt.Sprintf("did not expect text %q in %s", shorten(string(bytes.TrimSpace(t))), top.name)
		}
	case xml.EndElement:
		*open = (*open)[:len(*open)-1]
		return top.end()
	}
	return ""
}

// child opens an element in f.
func (f *frame) child(t xml.StartElement) (frame, string) {
	next := frame{name: shorten(t.Name.Local), is: anything}
	if f.is.any {
		return next, ""
	}
	key := schemaKey(t.Name)
	if _, foreign := f.is.children[anyName]; foreign {
		key = anyName
	}
	c, known := f.is.children[key]
	if f.children[key]++; !known || f.children[key] > 1 && !c.many {
		return next, fmt.Sprintf("did not expect element %s there, in %s", next.name, f.name)
	}
	next.is = c.particle
	next.children = make(map[string]int)
	next.seen.attrs = make(map[string]string)
	for _, a := range t.Attr {
		if !isNamespaceDecl(a.Name) {
			next.seen.attrs[strings.TrimPrefix(a.Name.Space+" "+a.Name.Local, " ")] = a.Value
		}
	}
	if next.is.like != nil {
		next.is = next.is.like(next.seen.attrs)
	}
	return next, next.checkAttrs()
}

// checkAttrs checks the attributes of an element that opens.
func (f *frame) checkAttrs() string {
	if f.is.any {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(f.seen.attrs)) {
		value := f.seen.attrs[name]
		switch p, known := f.is.attrs[name]; {
		case !known:
			return fmt.Sprintf("did not expect attribute %s in %s", shorten(name), f.name)
		case !p.fits(value):
			return fmt.Sprintf("value '%s' of attribute %s in %s is not allowed", shorten(value), name, f.name)
		}
	}
	for name, p := range f.is.attrs {
		if _, given := f.seen.attrs[name]; p.required && !given {
			return fmt.Sprintf("expected attribute %s in %s", name, f.name)
		}
	}
	return ""
}

// end checks what can be told only when all of an element has been seen.
func (f *frame) end() string {
	if f.is.text != nil && !f.is.text(string(f.seen.text)) {
		return fmt.Sprintf("text '%s' of %s is not allowed", shorten(string(f.seen.text)), f.name)
	}
	for name, c := range f.is.children {
		if c.required && f.children[name] == 0 {
			return fmt.Sprintf("expected an element %s in %s", name, f.name)
		}
	}
	if f.is.either == nil {
		return ""
	}
	if fault := f.is.either(f.seen); fault != "" {
		return fmt.Sprintf("%s in %s", fault, f.name)
	}
	return ""
}
