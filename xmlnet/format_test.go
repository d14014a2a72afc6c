package xmlnet

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConnectionsAreShownOfTheLiveDefinitionOnly(t *testing.T) {
	n := &Network{Name: "n", Forward: Forward{
		Mode: Passthrough, PF: "ens1", Interfaces: []string{"ens1v0", "ens1v1"},
		Addresses: []PCIAddress{{Bus: 3, Function: 1}},
	}}
	o := FormatOptions{Connections: 3, IfConnections: map[string]int{"ens1": 3, "ens1v1": 2, "0000:03:00.1": 1}}
	live := `<network connections='3'>
  <name>n</name>
  <forward mode='passthrough'>
    <pf dev='ens1' connections='3'/>
    <interface dev='ens1v0'/>
    <interface dev='ens1v1' connections='2'/>
    <address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x1' connections='1'/>
  </forward>
</network>
`
	if diff := cmp.Diff(live, string(n.Format(o))); diff != "" {
		t.Errorf("live (-want +got):\n%s", diff)
	}
	o.Inactive = true
	inactive := `<network>
  <name>n</name>
  <forward mode='passthrough'>
    <pf dev='ens1'/>
  </forward>
</network>
`
	if diff := cmp.Diff(inactive, string(n.Format(o))); diff != "" {
		t.Errorf("inactive (-want +got):\n%s", diff)
	}
}

func TestMetadataIsPrintedAsLibxmlDoes(t *testing.T) {
	for _, c := range []struct{ xml, want string }{
		{`<a xmlns="urn:a">x</a>`, `<a xmlns="urn:a">x</a>`},
		{`<a/>`, ``},
		{`<p:a xmlns:p="urn:a">1</p:a><q:b xmlns:q="urn:a">2</q:b>`, `<p:a xmlns:p="urn:a">1</p:a>`},
		{`<p:a xmlns:p="urn:a">  <p:b>  </p:b>  </p:a>`, "<p:a xmlns:p=\"urn:a\">\n  <p:b>  </p:b>\n</p:a>"},
		{"<p:a xmlns:p='urn:a'>\n<p:b>\n  <p:c x='&quot;é&amp;&lt;&gt;&#10;'/>\n</p:b><!-- c --><?pi x?><![CDATA[<x>]]></p:a>",
			`<p:a xmlns:p="urn:a"><p:b><p:c x="&quot;&#xE9;&amp;&lt;&gt;&#10;"/></p:b><!-- c --><?pi x?><![CDATA[<x>]]></p:a>`},
		{`<p:a xmlns:p="urn:a"><p:b/><p:c/></p:a>`, "<p:a xmlns:p=\"urn:a\">\n  <p:b/>\n  <p:c/>\n</p:a>"},
		{`<p:a xmlns:p="urn:a"><p:b/>text<p:c><p:d/></p:c></p:a>`, `<p:a xmlns:p="urn:a"><p:b/>text<p:c><p:d/></p:c></p:a>`},
		{`<p:a xmlns:p="urn:a">é&lt;&gt;&amp;&quot;&apos;&#13;</p:a>`, `<p:a xmlns:p="urn:a">é&lt;&gt;&amp;"'&#13;</p:a>`},
		{`<p:a xmlns:p="urn:a" xmlns:u="urn:u" u:x="1" y='a"b'><u:q/></p:a>`,
			"<p:a xmlns:p=\"urn:a\" xmlns:u=\"urn:u\" u:x=\"1\" y=\"a&quot;b\">\n  <u:q/>\n</p:a>"},
		{`<p:a xmlns:p="urn:a&amp;b"/>`, `<p:a xmlns:p="urn:a&#38;b"/>`},
		{`<p:a xmlns:p="urn:a"></p:a>`, `<p:a xmlns:p="urn:a"/>`},
		// libxml2 loses such blanks when it reads what it printed.
		{`<p:a xmlns:p="urn:a"> &#32; <p:b/></p:a>`, `<p:a xmlns:p="urn:a">&#32;  <p:b/></p:a>`},
	} {
		n := mustParse(t, inBare("<metadata>"+c.xml+"</metadata>"))
		got := ""
		if len(n.Metadata) > 0 {
			got = n.Metadata[0].XML
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.xml, diff)
		}
		checkRoundTrip(t, n)
	}
}

func TestMetadataStandsByItself(t *testing.T) {
	n := mustParse(t, `<network xmlns:z='urn:z' xmlns:unused='urn:u'><name>n</name>`+
		`<metadata xmlns:y='urn:y'><z:a y:at='1'><z:b/></z:a></metadata></network>`)
	want := []Metadata{{"urn:z", "<z:a xmlns:z=\"urn:z\" xmlns:y=\"urn:y\" y:at=\"1\">\n  <z:b/>\n</z:a>"}}
	if diff := cmp.Diff(want, n.Metadata); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// manyHosts is a network of n reservations.
func manyHosts(n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<host mac='52:54:00:00:%02x:%02x' name='h%d' ip='10.0.%d.%d'/>", i/256, i%256, i, i/256, i%256)
	}
	return []byte(inNetwork("<ip address='10.0.0.1' prefix='8'><dhcp>" + b.String() + "</dhcp></ip>"))
}

func BenchmarkParse(b *testing.B) {
	typical, err := os.ReadFile("../fixtures/nat-default/network.xml")
	if err != nil {
		b.Fatal(err)
	}
	for name, doc := range map[string][]byte{
		"default": typical, "everything": readFile(b, "../fixtures/everything-nat/network.xml"), "hosts=1000": manyHosts(1000),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := Parse(doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFormat(b *testing.B) {
	n, _, err := Parse(readFile(b, "../fixtures/everything-nat/network.xml"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n.Format(FormatOptions{})
	}
}
