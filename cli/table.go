package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// table collects the rows of a list; the header is not shown with -q, and
// then does not widen its columns.
type table struct {
	header []string
	rows   [][]string
}

func newTable(header ...string) *table { return &table{header: header} }

// add appends a row; there must be a cell for each column.
func (t *table) add(cells ...string) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = printable(c)
	}
	t.rows = append(t.rows, row)
}

// format returns the table: each cell behind a space, three spaces between
// columns, the last not padded, a line of dashes under the header.
func (t *table) format(quiet bool) string {
	lines := t.rows
	if !quiet {
		lines = append([][]string{t.header}, t.rows...)
	}
	widths := columnWidths(lines, len(t.header))
	var out strings.Builder
	for i, line := range lines {
		writeRow(&out, line, widths)
		if i == 0 && !quiet {
			out.WriteString(strings.Repeat("-", sum(widths)+3*len(widths)) + "\n")
		}
	}
	return out.String()
}

func writeRow(out *strings.Builder, cells []string, widths []int) {
	for i, c := range cells {
		out.WriteString(" " + c)
		if i < len(cells)-1 {
			out.WriteString(strings.Repeat(" ", widths[i]-displayWidth(c)+2))
		}
	}
	out.WriteString("\n")
}

func columnWidths(lines [][]string, columns int) []int {
	widths := make([]int, columns)
	for _, line := range lines {
		for i, c := range line {
			widths[i] = max(widths[i], displayWidth(c))
		}
	}
	return widths
}

func sum(numbers []int) int {
	total := 0
	for _, n := range numbers {
		total += n
	}
	return total
}

// printable escapes the bytes of a cell that a terminal can't show as \xNN,
// so that no name can move the cursor.
func printable(s string) string {
	var out strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size <= 1 || !unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) {
			for _, b := range []byte(s[:size]) {
				fmt.Fprintf(&out, `\x%02x`, b)
			}
		} else {
			out.WriteString(s[:size])
		}
		s = s[size:]
	}
	return out.String()
}

// displayWidth returns the number of terminal columns that s fills.
func displayWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}
