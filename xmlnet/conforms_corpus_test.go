package xmlnet

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lestrrat-go/helium"
	"github.com/lestrrat-go/helium/relaxng"
)

// newerTypes are in libvirt 11's basictypes.rng and not in that of libvirt 9,
// which is what Debian installs.
const newerTypes = `
  <define name="title"><element name="title"><data type="string"><param name="pattern">[^\n]+</param></data></element></define>
  <define name="description"><element name="description"><text/></element></define>
  <define name="hostdevDriver"><element name="driver">
    <optional><attribute name="name"><choice><value>kvm</value><value>vfio</value><value>xen</value></choice></attribute></optional>
    <optional><attribute name="model"><data type="string"><param name="pattern">[a-zA-Z0-9_\+\-]+</param></data></attribute></optional>
    <empty/>
  </element></define>
</grammar>`

// schemaFiles are libvirt 11's schema: the network's own of the corpus, basic
// types of what is installed.
type schemaFiles struct{ dir string }

func (s schemaFiles) Open(name string) (fs.File, error) {
	return os.Open(filepath.Join(s.dir, filepath.Base(name)))
}

// libvirtsSchema is its validator of such documents, or nil where its files are not there.
func libvirtsSchema(t *testing.T, root string) *relaxng.Validator {
	dir := corpus(t)
	basic, err := os.ReadFile("/usr/share/libvirt/schemas/basictypes.rng")
	if dir == "" || err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("libvirt's schema is not there: corpus %q, %v", dir, err)
		}
		return nil
	}
	tmp := t.TempDir()
	for _, name := range []string{"network.rng", "networkport.rng", "networkcommon.rng"} {
		if err := os.WriteFile(filepath.Join(tmp, name), readFile(t, filepath.Join(dir, name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Contains(basic, []byte(`name="hostdevDriver"`)) {
		basic = bytes.Replace(basic, []byte("</grammar>"), []byte(newerTypes), 1)
	}
	if err := os.WriteFile(filepath.Join(tmp, "basictypes.rng"), basic, 0o600); err != nil {
		t.Fatal(err)
	}
	grammar, err := relaxng.NewCompiler().FS(schemaFiles{tmp}).CompileFile(t.Context(), filepath.Join(tmp, root+".rng"))
	if err != nil {
		t.Fatal(err)
	}
	v := relaxng.NewValidator(grammar)
	return &v
}

// valid is the verdict of libvirt's schema.
func valid(t *testing.T, v *relaxng.Validator, doc []byte) bool {
	tree, err := helium.NewParser().Parse(context.Background(), doc)
	if err != nil {
		t.Fatalf("%v:\n%s", err, doc)
	}
	return v.Validate(context.Background(), tree) == nil
}

// sprout is a node of a document that is changed at random.
type sprout struct {
	name     xml.Name
	attrs    []xml.Attr
	children []*sprout
	text     string // of a node without name
}

func parseSprout(t *testing.T, doc []byte) *sprout {
	dec := xml.NewDecoder(bytes.NewReader(doc))
	open := []*sprout{{}}
	for {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		top := open[len(open)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			n := &sprout{name: tok.Name}
			for _, a := range tok.Attr {
				if !isNamespaceDecl(a.Name) {
					n.attrs = append(n.attrs, a)
				}
			}
			top.children = append(top.children, n)
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(bytes.TrimSpace(tok)) > 0 {
				top.children = append(top.children, &sprout{text: string(tok)})
			}
		}
	}
	for _, n := range open[0].children {
		if n.name.Local != "" {
			return n
		}
	}
	t.Fatalf("no root in\n%s", doc)
	return nil
}

func (n *sprout) print(w *bytes.Buffer) {
	if n.name.Local == "" {
		_ = xml.EscapeText(w, []byte(n.text))
		return
	}
	fmt.Fprintf(w, "<%s xmlns='%s'", n.name.Local, n.name.Space)
	for i, a := range n.attrs {
		name := a.Name.Local
		if a.Name.Space != "" {
			fmt.Fprintf(w, " xmlns:n%d='%s'", i, a.Name.Space)
			name = fmt.Sprintf("n%d:%s", i, name)
		}
		fmt.Fprintf(w, " %s='", name)
		_ = xml.EscapeText(w, []byte(a.Value))
		w.WriteString("'")
	}
	w.WriteString(">")
	for _, c := range n.children {
		c.print(w)
	}
	fmt.Fprintf(w, "</%s>", n.name.Local)
}

// elements are n and the elements below it.
func (n *sprout) elements() []*sprout {
	all := []*sprout{n}
	for _, c := range n.children {
		if c.name.Local != "" {
			all = append(all, c.elements()...)
		}
	}
	return all
}

// garden is what mutations are made of.
type garden struct {
	*rand.Rand
	elements []*sprout
	values   []string
	attrs    []xml.Attr
}

func pick[T any](g *garden, from []T) T { return from[g.IntN(len(from))] }

// oddValues are near what the schema's types take. Numbers between blanks are not
// among them: libxml2 holds the blanks against a pattern, the test's validator
// does not.
var oddValues = []string{
	"", " ", "0", "-1", "+1", "1", "00", "007", "255", "256", "4095", "4096", "65535", "65536", "4294967295", "4294967296", "18446744073709551616",
	"0x", "0x1f", "0xfff", "0x10000000", "1.5", "yes", "no", "on", "off", "Yes", " yes", "maybe", "kernel", "libvirt", "nat", "none", "tcp", "udp", "tcp ", "kvm",
	"10.0.0.1", "10.0.0", "10.0.0.256", "010.0.0.1", "::", "fd00::1", "fd00:::1", "::ffff:1.2.3.4", "fd00::2:1.2.3.4", "fe80::1%lo", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:1.2.3.4",
	"52:54:00:00:00:01", "53:54:00:00:00:01", "52:54:0:0:0:1", "52-54-00-00-00-01", "a b", "a_b", "a.b", "a/b", "a\nb", "a'b", "é", "virbr%d", "x'y",
	"0:1:0:1:18:aa:62:fe:0:16:3e:44:55:66", "00:03:00:01:00:16:3e:11:22:33", "0:4:7e:7d:f0:7d:a8:bc:c5:d2:13:32:11:ed:16:ea:84:63", "0:2:0:0:0:9:1", "0:5:1", "0:3:0:0:0:16:3e:11:22:33",
	"09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f", "09b11c538b5c4eeb8f00d84eaa0aaa4f", "09b11c53-8b5c4eeb-8f00d84eaa0aaa4f",
	"802.1Qbg", "802.1Qbh", "openvswitch", "midonet", "pci", "usb", "ipv4", "ipv6", "seconds", "days", "tagged", "untagged", "hostdev", "passthrough",
	strings.Repeat("p", 39), strings.Repeat("p", 40),
}

// mutate makes one change to root.
func (g *garden) mutate(root *sprout) {
	n := pick(g, root.elements())
	switch g.IntN(9) {
	case 0, 1, 2: // an attribute's value
		if len(n.attrs) == 0 {
			return
		}
		a := &n.attrs[g.IntN(len(n.attrs))]
		a.Value = pick(g, oddValues)
		if g.IntN(3) == 0 {
			a.Value = pick(g, g.values)
		}
	case 3: // an attribute less
		if i := len(n.attrs); i > 0 {
			i = g.IntN(i)
			n.attrs = slices.Delete(slices.Clone(n.attrs), i, i+1)
		}
	case 4: // an attribute more
		a := pick(g, g.attrs)
		if !slices.ContainsFunc(n.attrs, func(b xml.Attr) bool { return a.Name == b.Name }) {
			n.attrs = append(slices.Clone(n.attrs), a)
		}
	case 5: // a child less
		if i := len(n.children); i > 0 {
			i = g.IntN(i)
			n.children = slices.Delete(slices.Clone(n.children), i, i+1)
		}
	case 6: // a child twice
		if len(n.children) > 0 {
			n.children = append(slices.Clone(n.children), pick(g, n.children))
		}
	case 7: // a child more
		n.children = append(slices.Clone(n.children), pick(g, g.elements))
	case 8: // text
		if len(n.children) == 1 && n.children[0].text != "" {
			n.children = []*sprout{{text: pick(g, oddValues)}}
		} else {
			n.children = append(slices.Clone(n.children), &sprout{text: pick(g, oddValues)})
		}
	}
}

// documents are all of a kind that the corpus and the fixtures have.
func documents(t *testing.T, dir, root string) [][]byte {
	var docs [][]byte
	for _, pattern := range []string{
		dir + "/networkxml2xml*/*.xml", dir + "/networkxml2confdata/*.xml", dir + "/networkxml2firewalldata/*.xml",
		dir + "/virnetworkportxml2xmldata/*.xml", "../fixtures/*/network.xml",
	} {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			doc := readFile(t, f)
			if regexp.MustCompile("<"+root+"[ >]").Match(doc) && filepath.Base(filepath.Dir(f)) != "bad-malformed" {
				docs = append(docs, doc)
			}
		}
	}
	return docs
}

// newGarden makes mutations of what documents hold.
func newGarden(t *testing.T, docs [][]byte) *garden {
	g := &garden{Rand: rand.New(rand.NewPCG(3, 11))}
	for _, doc := range docs {
		for _, n := range parseSprout(t, doc).elements() {
			g.elements = append(g.elements, n)
			for _, a := range n.attrs {
				g.attrs, g.values = append(g.attrs, a), append(g.values, a.Value)
			}
		}
	}
	return g
}

func TestValidationAgreesWithLibvirtsSchema(t *testing.T) {
	for root, grammar := range map[string]*particle{"network": networkGrammar, "networkport": portGrammar} {
		t.Run(root, func(t *testing.T) {
			schema := libvirtsSchema(t, root)
			if schema == nil {
				t.Log("libvirt's schema is not there: only our own cases are tested")
				return
			}
			docs := documents(t, corpus(t), root)
			g := newGarden(t, docs)
			const rounds = 2000
			agreed, refused := 0, 0
			for i := range len(docs) + rounds {
				doc := docs[i%len(docs)]
				if i >= len(docs) {
					doc = g.mutant(t, docs)
				}
				ours, theirs := conforms(doc, root, grammar), valid(t, schema, doc)
				if !theirs {
					refused++
				}
				if (ours == nil) == theirs {
					agreed++
				} else {
					t.Errorf("we say %v, libvirt's schema %v, of\n%s", ours, theirs, doc)
				}
			}
			t.Logf("%d documents and %d mutated ones; the schema refuses %d; we agree on %d", len(docs), rounds, refused, agreed)
		})
	}
}

// mutant is one of docs with a change or two.
func (g *garden) mutant(t *testing.T, docs [][]byte) []byte {
	root := parseSprout(t, pick(g, docs))
	for range 1 + g.IntN(2) {
		g.mutate(root)
	}
	var doc bytes.Buffer
	root.print(&doc)
	return doc.Bytes()
}
