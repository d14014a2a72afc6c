package xmlnet

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMetadataIsSetAndReadAsLibvirtDoes(t *testing.T) {
	const uri = "http://foo.bar/"
	for _, tt := range []struct{ name, xml, stored, got string }{
		{"an empty element", `<beef/>`, `<h:beef xmlns:h="http://foo.bar/"/>`, `<beef/>`},
		{"children get the prefix as well", `<beef  a='1'><cow>x</cow></beef>`, "<h:beef xmlns:h=\"http://foo.bar/\" a=\"1\">\n  <h:cow>x</h:cow>\n</h:beef>", "<beef a=\"1\">\n  <cow>x</cow>\n</beef>"},
		{"but not those of another namespace", `<beef><o:cow xmlns:o='urn:o'><a/></o:cow><cow xmlns='urn:d'><b/></cow></beef>`,
			"<h:beef xmlns:h=\"http://foo.bar/\">\n  <o:cow xmlns:o=\"urn:o\">\n    <h:a/>\n  </o:cow>\n  <cow xmlns=\"urn:d\">\n    <b/>\n  </cow>\n</h:beef>",
			"<beef>\n  <o:cow xmlns:o=\"urn:o\">\n    <a/>\n  </o:cow>\n  <cow xmlns=\"urn:d\">\n    <b/>\n  </cow>\n</beef>"},
		{"another prefix of the namespace stays", `<x:beef xmlns:x='http://foo.bar/' x:a='1'><x:cow/></x:beef>`,
			"<x:beef xmlns:x=\"http://foo.bar/\" xmlns:h=\"http://foo.bar/\" x:a=\"1\">\n  <x:cow/>\n</x:beef>", "<beef xmlns:h=\"http://foo.bar/\" a=\"1\">\n  <cow/>\n</beef>"},
		{"its prefix is replaced", `<x:beef xmlns:x='urn:x' x:a='1'/>`, `<h:beef xmlns:x="urn:x" xmlns:h="http://foo.bar/" x:a="1"/>`, `<beef xmlns:x="urn:x" x:a="1"/>`},
		{"the namespace is declared already", `<h:beef xmlns:h='http://foo.bar/'/>`, `<h:beef xmlns:h="http://foo.bar/"/>`, `<beef/>`},
		{"a declaration and a comment before it", `<?xml version='1.0'?><!-- x --><beef/>`, `<h:beef xmlns:h="http://foo.bar/"/>`, `<beef/>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := mustParse(t, inBare(`<metadata><a:a xmlns:a='http://foo.bar/'/><b:b xmlns:b='urn:b'/></metadata>`))
			changed, err := n.WithMetadata("h", uri, tt.xml)
			if err != nil {
				t.Fatal(err)
			}
			want := []Metadata{{"urn:b", `<b:b xmlns:b="urn:b"/>`}, {uri, tt.stored}}
			if diff := cmp.Diff(want, changed.Metadata); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			got, ok := changed.MetadataOf(uri)
			if diff := cmp.Diff(tt.got, got); diff != "" || !ok {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			if _, ok := changed.WithoutMetadata(uri).MetadataOf(uri); ok {
				t.Error("it is there after being taken away")
			}
			if len(n.Metadata) != 2 || n.Metadata[0].Namespace != uri {
				t.Errorf("the original changed: %v", n.Metadata)
			}
			checkRoundTrip(t, changed)
		})
	}
}

func TestMetadataThatCannotBeStoredIsRefused(t *testing.T) {
	n := mustParse(t, inBare(""))
	for _, tt := range []struct {
		name, key, uri, xml string
		kind                Kind
	}{
		{"nothing", "k", "urn:x", ``, XMLDetail},
		{"text", "k", "urn:x", `text`, XMLDetail},
		{"half an element", "k", "urn:x", `<a><b></a>`, XMLDetail},
		{"two elements", "k", "urn:x", `<a/><b/>`, XMLDetail},
		{"a document type", "k", "urn:x", `<!DOCTYPE a><a/>`, XMLDetail},
		{"no key", "", "urn:x", `<a/>`, InternalError},
		{"a key that is no name", "1 2", "urn:x", `<a/>`, InternalError},
		{"a key that is taken", "k", "urn:x", `<a xmlns:k='urn:y'/>`, InternalError},
		{"no namespace", "k", "", `<a/>`, InternalError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := n.WithMetadata(tt.key, tt.uri, tt.xml)
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Kind != tt.kind {
				t.Errorf("got %v, want kind %d", err, tt.kind)
			}
		})
	}
	for _, title := range []string{"a\nb", "\x01"} {
		if _, err := n.WithTitle(title); err == nil {
			t.Errorf("title %q was taken", title)
		}
	}
	if _, err := n.WithDescription("\x01"); err == nil {
		t.Error("a description that is no XML text was taken")
	}
}

func FuzzSetMetadata(f *testing.F) {
	f.Add("k", "urn:x", "<a b='c'>text<d/></a>")
	f.Add("k", "urn:x", "<?pi?><z:a xmlns='urn:q'><![CDATA[x]]> <b/></z:a>")
	n, _, err := Parse([]byte(inBare("")))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, key, uri, xml string) {
		changed, err := n.WithMetadata(key, uri, xml)
		if err != nil {
			return
		}
		if len(changed.Metadata) != 1 {
			t.Fatalf("%d elements", len(changed.Metadata))
		}
		checkRoundTrip(t, changed)
		if got, ok := changed.MetadataOf(changed.Metadata[0].Namespace); !ok || !strings.HasPrefix(got, "<") {
			t.Fatalf("read back %q %v", got, ok)
		}
	})
}
