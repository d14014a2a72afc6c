package xmlnet

import (
	"strconv"
	"strings"
)

// number reads text as libvirt reads unsigned numbers (strtoull with nothing
// after it): blanks and a plus sign may come first. base 0 takes 0x and 0
// prefixes. ok is false when it is no such number or is above most.
func number(text string, base int, most uint64) (n uint64, ok bool) {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	text = strings.TrimPrefix(text, "+")
	if base == 0 {
		base, text = numberBase(text)
	}
	if text == "" || text[0] == '+' || text[0] == '-' {
		return 0, false
	}
	n, err := strconv.ParseUint(text, base, 64)
	return n, err == nil && n <= most
}

// numberBase returns the base that text's prefix says, as in C, and the digits.
func numberBase(text string) (int, string) {
	if len(text) > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') {
		return 16, text[2:]
	}
	if len(text) > 1 && text[0] == '0' {
		return 8, text[1:]
	}
	return 10, text
}

// numberAttr reads attribute attr of element elem, whose text is text, as a
// number of at most most, or says that it isn't.
func numberAttr(elem, attr, text string, base int, most uint64) (uint64, error) {
	n, ok := number(text, base, most)
	if !ok {
		return 0, invalidValue(attr, elem, text, " Expected non-negative integer value")
	}
	return n, nil
}

// invalidValue is libvirt's error for an attribute's value that is none of
// those it may have.
func invalidValue(attr, elem, value, more string) error {
	return errf(XMLError, "Invalid value for attribute '%s' in element '%s': '%s'.%s", attr, elem, value, more)
}

// missingAttr is libvirt's error for an attribute that must be there.
func missingAttr(attr, elem string) error {
	return errf(XMLError, "Missing required attribute '%s' in element '%s'", attr, elem)
}
