package xmlnet

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// malformed turns an error of encoding/xml into libvirt's: libxml2's words
// with the place.
func (s *scanner) malformed(err error, start int64) error {
	text := err.Error()
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		text = syntax.Msg
	}
	if errors.Is(err, io.EOF) || text == "unexpected EOF" {
		return s.errorAt(int64(len(s.doc)), s.premature(start))
	}
	return s.errorAt(s.dec.InputOffset(), s.libxmlWords(text))
}

// premature says what the document's end cut off; start is where the last
// token began.
func (s *scanner) premature(start int64) string {
	rest := s.doc[min(int(start), len(s.doc)):]
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		return "Comment not terminated"
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		return "CData section not finished"
	case bytes.HasPrefix(rest, []byte("<")):
		return fmt.Sprintf("Couldn't find end of Start Tag %s line %d", tagName(rest[1:]), 1+bytes.Count(s.doc[:start], []byte("\n")))
	case len(s.open) == 0:
		return "Document is empty"
	}
	e := s.open[len(s.open)-1]
	return fmt.Sprintf("Premature end of data in tag %s line %d", e.name.Local, e.line)
}

// tagName is the name that a start tag begins with.
func tagName(tag []byte) []byte {
	if i := bytes.IndexAny(tag, " \t\r\n/>="); i >= 0 {
		return tag[:i]
	}
	return tag
}

var (
	mismatchText = regexp.MustCompile(`^element <(.*)> closed by </(.*)>$`)
	encodingText = regexp.MustCompile(`^xml: encoding "(.*)" declared but`)
	entityText   = regexp.MustCompile(`^invalid character entity &(.*?);?(?: \(no semicolon\))?$`)
)

// libxmlTexts are libxml2's words for encoding/xml's, by how the latter begin.
var libxmlTexts = []struct{ begin, text string }{
	{"attribute name without = in element", "Specification mandates value for attribute"},
	{"unquoted or missing attribute value", `AttValue: " or ' expected`},
	{"unescaped < inside quoted string", "Unescaped '<' not allowed in attributes values"},
	{"unescaped ]]> not in CDATA section", "Sequence ']]>' not allowed in content"},
	{`invalid sequence "--" not allowed in comments`, "Double hyphen within comment"},
	{"expected element name after <", "StartTag: invalid element name"},
	{"expected attribute name in element", "error parsing attribute name"},
	{"unexpected end element", "StartTag: invalid element name"},
	{"invalid UTF-8", "Input is not proper UTF-8, indicate encoding !"},
}

// libxmlWords says text as libxml2 does.
func (s *scanner) libxmlWords(text string) string {
	if m := mismatchText.FindStringSubmatch(text); m != nil {
		e := s.open[len(s.open)-1]
		return fmt.Sprintf("Opening and ending tag mismatch: %s line %d and %s", m[1], e.line, m[2])
	}
	if m := entityText.FindStringSubmatch(text); m != nil {
		if m[1] == "" {
			return "xmlParseEntityRef: no name"
		}
		return fmt.Sprintf("Entity '%s' not defined", m[1])
	}
	if m := encodingText.FindStringSubmatch(text); m != nil {
		return "Unsupported encoding " + m[1]
	}
	for _, t := range libxmlTexts {
		if strings.HasPrefix(text, t.begin) {
			return t.text
		}
	}
	return text
}

// checkAttrs refuses what encoding/xml lets through in a start tag, which is
// raw in the document: an attribute that is there twice, and attributes with
// nothing between them.
func (s *scanner) checkAttrs(t xml.StartElement, raw []byte) error {
	if len(t.Attr) > 1 {
		seen := make(map[xml.Name]bool, len(t.Attr))
		for _, a := range t.Attr {
			if seen[a.Name] {
				return s.errorAt(s.dec.InputOffset(), fmt.Sprintf("Attribute %s redefined", shorten(a.Name.Local)))
			}
			seen[a.Name] = true
		}
	}
	var quote byte
	for i, c := range raw {
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
			if i+1 < len(raw) && strings.IndexByte(" \t\r\n/>", raw[i+1]) < 0 {
				return s.errorAt(s.dec.InputOffset(), "attributes construct error")
			}
		}
	}
	return nil
}

// errorAt says, as libvirt does, that the document is malformed at offset:
// the line's number, the line, and dashes up to a ^ under the place.
func (s *scanner) errorAt(offset int64, text string) error {
	at := min(int(offset), len(s.doc))
	begin := bytes.LastIndexByte(s.doc[:at], '\n') + 1
	end := len(s.doc)
	if i := bytes.IndexByte(s.doc[at:], '\n'); i >= 0 {
		end = at + i
	}
	number := 1 + bytes.Count(s.doc[:begin], []byte("\n"))
	// A document may be one line of megabytes.
	begin, end = max(begin, at-160), min(end, at+40)
	line := strings.TrimSuffix(strings.ToValidUTF8(string(s.doc[begin:end]), "\ufffd"), "\r")
	dashes := utf8.RuneCountInString(strings.ToValidUTF8(string(s.doc[begin:at]), "\ufffd"))
	return errf(XMLDetail, "at line %d: %s\n%s\n%s^", number, text, line, strings.Repeat("-", dashes))
}
