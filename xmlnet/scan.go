package xmlnet

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Bounds of a document. libvirt's RPC limits it to 4 MiB as well; no network
// XML is deeper than 7, metadata aside.
const (
	maxSize  = 4 << 20
	maxDepth = 64
)

// scanner is the pass before the XML gets its shape: it checks that the
// document is well-formed, takes out what libvirt ignores, remembering it as
// warnings, and leaves the tokens of what libvirt reads.
type scanner struct {
	root     rootElement
	doc      []byte
	dec      *xml.Decoder
	open     []openElement
	tokens   []xml.Token
	warnings []Warning // the first maxWarnings
	invalid  *Warning  // the first that the schema doesn't allow
	metadata []Metadata

	rootAttrs []xml.Attr
	foreign   foreignText // of the open or last <metadata>
}

// openElement is an element whose end hasn't come yet.
type openElement struct {
	name     xml.Name
	line     int
	is       *element // nil: ignored, with all it holds
	nth      int      // its number among its like, 0 if it can't be repeated
	children map[*element]int
}

// rootElement is the outermost element that a document must have.
type rootElement struct {
	name  string // "" for any
	is    *element
	wrong func(got string) error // refuses another one
}

// networkRoot is that of a network.
var networkRoot = rootElement{"network", schema, func(got string) error {
	return errf(XMLError, "expecting root element of 'network', not '%s'", got)
}}

// scan reads a network's doc into the tokens of what libvirt knows.
func scan(doc []byte) (*scanner, error) { return scanRoot(doc, networkRoot) }

// scanRoot is scan for a document with any root.
func scanRoot(doc []byte, root rootElement) (*scanner, error) {
	if len(doc) > maxSize {
		return nil, errf(XMLDetail, "document of %d bytes is larger than %d", len(doc), maxSize)
	}
	s := &scanner{root: root, doc: doc, dec: xml.NewDecoder(bytes.NewReader(doc)), tokens: make([]xml.Token, 0, 128)}
	for {
		start := s.dec.InputOffset()
		tok, err := s.dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, s.malformed(err, start)
		}
		if err := s.token(tok, start); err != nil {
			return nil, err
		}
	}
	if len(s.tokens) == 0 {
		return nil, s.errorAt(int64(len(doc)), "Document is empty")
	}
	return s, nil
}

// token takes one token, which begins at offset start.
func (s *scanner) token(tok xml.Token, start int64) error {
	switch t := tok.(type) {
	case xml.StartElement:
		return s.start(t, start)
	case xml.EndElement:
		return s.end(start)
	case xml.CharData:
		return s.text(t, start)
	case xml.Directive:
		// A document type could define entities; nobody has one here.
		return s.errorAt(start, "document type declarations are not allowed")
	}
	return nil
}

// start opens an element.
func (s *scanner) start(t xml.StartElement, offset int64) error {
	if len(s.open) >= maxDepth {
		return s.errorAt(offset, fmt.Sprintf("Excessive depth in document: %d", maxDepth))
	}
	raw := s.doc[offset:s.dec.InputOffset()]
	if err := s.checkAttrs(t, raw); err != nil {
		return err
	}
	e := openElement{name: t.Name}
	e.line, _ = s.dec.InputPos()
	if len(s.open) == 0 {
		if err := s.begin(&e, t, offset); err != nil {
			return err
		}
	} else {
		s.identify(&e)
	}
	s.open = append(s.open, e)
	switch {
	case e.is == nil:
		return nil
	case e.is.foreign:
		s.beginMetadata(t, e.line)
		return nil
	}
	normalizeAttrs(t.Attr, raw)
	return s.emit(t, e)
}

// begin checks that e is the one outermost element and the wanted one. As for
// libvirt, its namespace doesn't matter.
func (s *scanner) begin(e *openElement, t xml.StartElement, offset int64) error {
	if len(s.tokens) > 0 {
		return s.errorAt(offset, "Extra content at the end of the document")
	}
	if s.root.name != "" && t.Name.Local != s.root.name {
		return s.root.wrong(t.Name.Local)
	}
	e.is = s.root.is
	e.name.Space = ""
	s.rootAttrs = slices.Clone(t.Attr)
	return nil
}

// identify finds what e is inside the innermost open element.
func (s *scanner) identify(e *openElement) {
	parent := &s.open[len(s.open)-1]
	if parent.is == nil || parent.is.foreign {
		return
	}
	is := parent.is.children[schemaKey(e.name)]
	if is == nil {
		s.warn(e.line, "unknown element <%s>", shorten(e.name.Local))
		return
	}
	if parent.children == nil {
		parent.children = make(map[*element]int)
	}
	parent.children[is]++
	if is.many {
		e.nth = parent.children[is]
	} else if parent.children[is] > 1 {
		s.warn(e.line, "repeated element <%s>", e.name.Local)
		return
	}
	e.is = is
}

// schemaKey returns the name under which the schema has an element.
func schemaKey(n xml.Name) string {
	switch n.Space {
	case "":
		return n.Local
	case dnsmasqURI:
		return "dnsmasq:" + n.Local
	}
	return n.Space + " " + n.Local
}

// emit passes on a known element with those of its attributes that are known
// and say something.
func (s *scanner) emit(t xml.StartElement, e openElement) error {
	known := t.Attr[:0]
	for _, a := range t.Attr {
		if isNamespaceDecl(a.Name) {
			continue
		}
		rule := e.is.attrs[a.Name.Local]
		if a.Name.Space != "" || rule == 0 {
			s.warn(e.line, "unknown attribute '%s'", shorten(a.Name.Local))
			continue
		}
		if rule == yesNo && a.Value != "yes" && a.Value != "no" {
			return invalidValue(a.Name.Local, e.name.Local, a.Value, "")
		}
		if rule != nonEmpty || a.Value != "" {
			known = append(known, a)
		}
	}
	t.Name, t.Attr = e.name, known
	s.tokens = append(s.tokens, t)
	return nil
}

// end closes the innermost element; its end tag begins at offset.
func (s *scanner) end(offset int64) error {
	e := s.open[len(s.open)-1]
	s.open = s.open[:len(s.open)-1]
	switch {
	case e.is == nil:
	case e.is.foreign:
		return s.endMetadata(offset)
	default:
		s.tokens = append(s.tokens, xml.EndElement{Name: e.name})
	}
	return nil
}

// text passes text on where it is read.
func (s *scanner) text(t xml.CharData, offset int64) error {
	blank := len(bytes.TrimLeft(t, " \t\r\n")) == 0
	if len(s.open) == 0 {
		if blank {
			return nil
		}
		if len(s.tokens) == 0 {
			return s.errorAt(offset, "Start tag expected, '<' not found")
		}
		return s.errorAt(offset, "Extra content at the end of the document")
	}
	e := s.open[len(s.open)-1]
	switch {
	case e.is == nil || e.is.foreign || blank && !e.is.text:
	case e.is.text:
		s.tokens = append(s.tokens, t.Copy())
	default:
		line, _ := s.dec.InputPos()
		s.warn(line, "text %q", shorten(string(bytes.TrimSpace(t))))
	}
	return nil
}

// warn remembers that something which the schema doesn't allow was ignored in
// the innermost open element.
func (s *scanner) warn(line int, format string, args ...any) {
	w := Warning{Line: line, Text: fmt.Sprintf(format, args...)}
	s.note(&w)
	if s.invalid == nil {
		w.Place = s.place()
		s.invalid = &w
	}
}

// note remembers that something was ignored in the innermost open element.
func (s *scanner) note(w *Warning) {
	if len(s.warnings) < maxWarnings {
		w.Place = s.place()
		s.warnings = append(s.warnings, *w)
	}
}

// place names the innermost open element: "network/ip[2]/dhcp".
func (s *scanner) place() string {
	var b strings.Builder
	for i, e := range s.open {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(e.name.Local)
		if e.nth > 0 {
			fmt.Fprintf(&b, "[%d]", e.nth)
		}
	}
	return b.String()
}

// normalizeAttrs does to the attributes of the start tag raw what an XML
// parser should and encoding/xml doesn't: line breaks and tabs in them are
// spaces. In a value that also has character references, which would stay as
// they are, the two can't be told apart and all stay.
func normalizeAttrs(attrs []xml.Attr, raw []byte) {
	if !bytes.ContainsAny(raw, "\n\t\r") {
		return
	}
	for i, value := range quoted(raw) {
		if i >= len(attrs) || bytes.Contains(value, []byte("&#")) {
			continue
		}
		attrs[i].Value = strings.Map(func(r rune) rune {
			if r == '\n' || r == '\t' || r == '\r' {
				return ' '
			}
			return r
		}, attrs[i].Value)
	}
}

// quoted are the attributes' values in a start tag, as written.
func quoted(tag []byte) (values [][]byte) {
	for {
		begin := bytes.IndexAny(tag, `"'`)
		if begin < 0 {
			return values
		}
		length := bytes.IndexByte(tag[begin+1:], tag[begin])
		if length < 0 {
			return values
		}
		values = append(values, tag[begin+1:begin+1+length])
		tag = tag[begin+length+2:]
	}
}

func isNamespaceDecl(n xml.Name) bool {
	return n.Space == "xmlns" || n.Space == "" && n.Local == "xmlns"
}

// shorten cuts text from the document for a message.
func shorten(text string) string {
	const most = 40
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
