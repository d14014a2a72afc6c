package dnsmasq

import (
	"errors"
	"strings"
)

// In double quotes, what separates the parts of a value has no meaning. Until
// they are separated it is hidden as these bytes.
const (
	hiddenComma = '\x01'
	hiddenColon = '\x02'
	hiddenDot   = '\x03'
)

// unquote takes away quotes, comments and the spaces around an option.
func unquote(line string) (string, error) {
	var b strings.Builder
	quoted, afterSpace := false, true
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c < ' ' && c != '\t':
			return "", errors.New("control character")
		case c == '"':
			quoted = !quoted
			continue
		case quoted && c == '\\' && i+1 < len(line):
			if e := strings.IndexByte(`"\tnebr`, line[i+1]); e >= 0 {
				i++
				c = "\"\\\t\n\x1b\b\r"[e]
			}
			b.WriteByte(c)
			continue
		case quoted:
			c = hide(c)
		case c == '#' && afterSpace:
			return strings.Trim(b.String(), " \t"), nil
		}
		afterSpace = c == ' ' || c == '\t'
		b.WriteByte(c)
	}
	if quoted {
		return "", errors.New(`missing "`)
	}
	return strings.Trim(b.String(), " \t"), nil
}

func hide(c byte) byte {
	switch c {
	case ',':
		return hiddenComma
	case ':':
		return hiddenColon
	case '.':
		return hiddenDot
	}
	return c
}

var unhider = strings.NewReplacer(string(hiddenComma), ",", string(hiddenColon), ":", string(hiddenDot), ".")

// shown brings back what unquote hid.
func shown(s string) string { return unhider.Replace(s) }

// next cuts the part before the first comma off a list.
func next(list string) (part, rest string, more bool) {
	part, rest, more = strings.Cut(list, ",")
	return strings.Trim(part, " "), strings.TrimLeft(rest, " "), more
}

// split returns the parts of a list with commas.
func split(list string) []string {
	parts := strings.Split(list, ",")
	for i, p := range parts {
		parts[i] = shown(strings.Trim(p, " "))
	}
	return parts
}
