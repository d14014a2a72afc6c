package xmlnet

import (
	"fmt"
	"strconv"
	"strings"
)

// printer writes XML as libvirt does: two spaces a level, single quotes, an
// element without content closed at once.
type printer struct {
	b     strings.Builder
	level int
}

// libvirt's escapes, which are the same for text and attributes, and the blanks besides
// that a parser would otherwise change.
var (
	textEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;", `"`, "&quot;", "\r", "&#13;")
	attrEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;", `"`, "&quot;",
		"\r", "&#13;", "\n", "&#10;", "\t", "&#9;")
)

// tag is an element being printed.
type tag struct {
	name  string
	attrs []string // name, value, name, value
}

// newTag starts to describe an element.
func newTag(name string) *tag { return &tag{name: name} }

// attr adds an attribute if its value is not "".
func (t *tag) attr(name, value string) *tag {
	if value != "" {
		t.attrs = append(t.attrs, name, value)
	}
	return t
}

// always adds an attribute, be its value "".
func (t *tag) always(name, value string) *tag {
	t.attrs = append(t.attrs, name, value)
	return t
}

// num adds an attribute if its value is not 0.
func (t *tag) num(name string, value uint64) *tag {
	if value != 0 {
		t.attrs = append(t.attrs, name, strconv.FormatUint(value, 10))
	}
	return t
}

// state adds a tristate attribute if it is set.
func (t *tag) state(name string, value Tristate) *tag {
	return t.attr(name, value.String())
}

// String returns "yes", "no" or, unset, "".
func (t Tristate) String() string {
	switch t {
	case Yes:
		return "yes"
	case No:
		return "no"
	}
	return ""
}

func (p *printer) indent() {
	for range p.level {
		p.b.WriteString("  ")
	}
}

func (p *printer) start(t *tag, end string) {
	p.indent()
	p.b.WriteString("<" + t.name)
	for i := 0; i < len(t.attrs); i += 2 {
		p.b.WriteString(" " + t.attrs[i] + "='")
		attrEscape.WriteString(&p.b, t.attrs[i+1])
		p.b.WriteByte('\'')
	}
	p.b.WriteString(end)
}

// empty prints an element without content.
func (p *printer) empty(t *tag) { p.start(t, "/>\n") }

// block prints an element whose content is printed by content.
func (p *printer) block(t *tag, content func()) {
	p.start(t, ">\n")
	p.level++
	content()
	p.level--
	p.indent()
	fmt.Fprintf(&p.b, "</%s>\n", t.name)
}

// blockIf is block, or empty if there is no content.
func (p *printer) blockIf(has bool, t *tag, content func()) {
	if has {
		p.block(t, content)
	} else {
		p.empty(t)
	}
}

// text prints an element that holds text, if there is any.
func (p *printer) text(name, text string) {
	if text == "" {
		return
	}
	p.indent()
	p.b.WriteString("<" + name + ">")
	textEscape.WriteString(&p.b, text)
	p.b.WriteString("</" + name + ">\n")
}
