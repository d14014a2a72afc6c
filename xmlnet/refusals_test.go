package xmlnet

import (
	"slices"
	"strings"
	"testing"
)

// refusalCase is a fragment that libvirt refuses to define, with what it says.
// A text that ends in a line break is what the message begins with.
type refusalCase struct {
	wrap func(string) string
	xml  string
	kind Kind
	text string
}

func TestFaultyDefinitionsAreRefusedInLibvirtsWords(t *testing.T) {
	cases := slices.Concat(documentRefusals, modeRefusals, ipRefusals, dnsRefusals, poolRefusals)
	for _, c := range cases {
		t.Run(c.text, func(t *testing.T) {
			e := refusal(t, c.wrap(c.xml))
			same := e.Text == c.text
			if begin, ok := strings.CutSuffix(c.text, "\n"); ok {
				same = strings.HasPrefix(e.Text, begin)
			}
			if e.Kind != c.kind || !same {
				t.Errorf("%s\n got kind %d: %s\nwant kind %d: %s", c.xml, e.Kind, e.Text, c.kind, c.text)
			}
		})
	}
}

func TestMalformedXMLIsShownWithItsPlace(t *testing.T) {
	for _, c := range []struct{ name, doc, want string }{
		{"mismatch", "<network>\n  <name>x</nam>\n</network>\n",
			"at line 2: Opening and ending tag mismatch: name line 2 and nam\n  <name>x</nam>\n---------------^"},
		{"end of data", "<network>\n  <name>x</name>",
			"at line 2: Premature end of data in tag network line 1\n  <name>x</name>\n----------------^"},
		{"entity", "<network>\n  <name>x&bad;</name>\n</network>",
			"at line 2: Entity 'bad' not defined\n  <name>x&bad;</name>\n--------------^"},
		{"more than one root", "<network><name>x</name></network><b/>",
			"at line 1: Extra content at the end of the document\n<network><name>x</name></network><b/>\n---------------------------------^"},
		{"text after the root", "<network/>more",
			"at line 1: Extra content at the end of the document\n<network/>more\n----------^"},
		{"no XML", "hello", "at line 1: Start tag expected, '<' not found\nhello\n^"},
		{"empty", "", "at line 1: Document is empty\n\n^"},
		{"comment", "<network><!-- x</network>", "at line 1: Comment not terminated\n<network><!-- x</network>\n-------------------------^"},
		{"attribute twice", "<network a='1' a='2'/>", "at line 1: Attribute a redefined\n<network a='1' a='2'/>\n----------------------^"},
		{"attributes that touch", "<network a='1'b='2'/>", "at line 1: attributes construct error\n<network a='1'b='2'/>\n---------------------^"},
		{"document type", "<!DOCTYPE n [<!ENTITY e 'v'>]><network/>",
			"at line 1: document type declarations are not allowed\n<!DOCTYPE n [<!ENTITY e 'v'>]><network/>\n^"},
		{"long line", "<network>" + strings.Repeat("x", 9999) + "&bad;" + strings.Repeat("y", 9999),
			"at line 1: Entity 'bad' not defined\n" + strings.Repeat("x", 155) + "&bad;" + strings.Repeat("y", 40) + "\n" + strings.Repeat("-", 160) + "^"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if e := refusal(t, c.doc); e.Kind != XMLDetail || e.Text != c.want {
				t.Errorf("got kind %d:\n%s\nwant:\n%s", e.Kind, e.Text, c.want)
			}
		})
	}
}

func TestSizeAndDepthAreBounded(t *testing.T) {
	for name, doc := range map[string]string{
		"size":              strings.Repeat(" ", maxSize+1),
		"depth":             inNetwork(strings.Repeat("<a>", 100000)),
		"depth in metadata": inNetwork("<metadata>" + strings.Repeat("<a xmlns='u'>", 100000)),
	} {
		if e := refusal(t, doc); e.Kind != XMLDetail {
			t.Errorf("%s: kind %d: %v", name, e.Kind, e)
		}
	}
}
