package cli

import "strings"

// splitSentences splits a string of commands as virsh does: commands end at
// `;` and newline, words at blanks, `#` at the start of a word begins a
// comment, single and double quotes and backslashes quote. It returns the
// words of each command that is not empty.
func splitSentences(s string) ([][]string, error) {
	var (
		all      [][]string
		sentence []string
	)
	r := wordReader{rest: s}
	for {
		word, kind, err := r.next()
		if err != nil {
			return nil, err
		}
		if kind == isWord {
			sentence = append(sentence, word)
			continue
		}
		if len(sentence) > 0 {
			all = append(all, sentence)
			sentence = nil
		}
		if kind == isEnd {
			return all, nil
		}
	}
}

// tokenKind says what wordReader.next found.
type tokenKind int

const (
	isWord tokenKind = iota
	isSeparator
	isEnd
)

// wordReader reads words from the front of rest.
type wordReader struct{ rest string }

// next reads one word, or the separator or end that stands in its place.
func (r *wordReader) next() (string, tokenKind, error) {
	r.skipBlanks()
	switch {
	case r.rest == "":
		return "", isEnd, nil
	case r.rest[0] == ';' || r.rest[0] == '\n':
		r.rest = r.rest[1:]
		return "", isSeparator, nil
	case r.rest[0] == '#':
		_, r.rest, _ = strings.Cut(r.rest, "\n")
		return "", isSeparator, nil
	}
	word, err := r.word()
	return word, isWord, err
}

// skipBlanks drops blanks and continued line ends.
func (r *wordReader) skipBlanks() {
	for {
		trimmed := strings.TrimPrefix(strings.TrimLeft(r.rest, " \t"), "\\\n")
		if trimmed == r.rest {
			return
		}
		r.rest = trimmed
	}
}

// word reads one word and takes its quotes off. An unterminated single
// quote ends with the string, as in virsh.
func (r *wordReader) word() (string, error) {
	var (
		out            strings.Builder
		single, double bool
	)
	for r.rest != "" {
		c := r.rest[0]
		if !single && !double && strings.IndexByte(" \t;\n", c) >= 0 {
			break
		}
		r.rest = r.rest[1:]
		switch {
		case c == '\'' && !double:
			single = !single
		case c == '"' && !single:
			double = !double
		case c == '\\' && !single:
			if r.rest == "" {
				return "", worded(`dangling \`)
			}
			if r.rest[0] != '\n' {
				out.WriteByte(r.rest[0])
			}
			r.rest = r.rest[1:]
		default:
			out.WriteByte(c)
		}
	}
	if double {
		return "", worded(`missing "`)
	}
	return out.String(), nil
}
