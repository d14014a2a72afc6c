//go:build modern

package e2e

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// documents are networks by a name of their file: the project's own fixtures,
// and libvirt's cases where they are beside the repository.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := make(map[string]string)
	for _, pattern := range []string{"../fixtures/*/network.xml", "../../shared/corpus/networkxml2*/*.xml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "<network") {
				docs[strings.TrimPrefix(file, "../")] = string(text)
			}
		}
	}
	return docs
}

// outcome is what a network daemon makes of a document.
type outcome struct {
	Refused wire.Code // 0 if it was taken
	Text    string    // why, or the definition
}

// definer defines documents on one daemon.
type definer struct{ *wire.Conn }

// newDefiner connects to the daemon on the site's libvirt socket.
func newDefiner(t *testing.T, s *site) definer {
	t.Helper()
	nc, err := s.Dial("/run/libvirt/virtnetworkd-sock")
	if err != nil {
		t.Fatal(err)
	}
	c := wire.NewConn(nc)
	t.Cleanup(func() { c.Close() })
	if err := c.Open(context.Background(), "network:///system", false); err != nil {
		t.Fatal(err)
	}
	return definer{c}
}

// define has the daemon define doc, and forget it again.
func (d definer) define(t *testing.T, doc string, validate bool) outcome {
	t.Helper()
	args := wire.XMLFlagsArgs{XML: doc}
	if validate {
		args.Flags = wire.XMLValidate
	}
	var n wire.Network
	err := d.Call(t.Context(), wire.NetworkDefineXMLFlags, args, &n)
	var refusal *wire.Error
	if errors.As(err, &refusal) {
		return outcome{refusal.Code, refusal.Error()}
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	var text string
	if err := d.Call(t.Context(), wire.NetworkGetXMLDesc, wire.GetXMLArgs{Network: n, Flags: 1}, &text); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	if err := d.Call(t.Context(), wire.NetworkUndefine, n, nil); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return outcome{Text: forgetGenerated(doc, text)}
}

var (
	uuidElement = regexp.MustCompile(`  <uuid>.*</uuid>\n`)
	macElement  = regexp.MustCompile(`(?m)^  <mac address=.*\n`)
	givenUUID   = regexp.MustCompile(`<uuid>\s*[^<\s]`)
	givenMAC    = regexp.MustCompile(`<mac\s+address=['"][^'"]`)
	hosts       = regexp.MustCompile(`<host[^>]*>`)
	// unequal is what docs/compat.md says of how definitions are printed: where
	// namespaces are declared, what is empty.
	unequal = regexp.MustCompile(` xmlns:\w+="[^"]*"| (id|domain|target|model)=''|  <domain name=''.*/>\n|    <bandwidth>\n    </bandwidth>\n|    <driver/>\n|  <metadata/>\n|(managed='\w+')(?:/>\n    <driver .*/>|/>|>\n    <driver .*/>\n  </forward>)`)
	// unescaped is how libvirt prints some attributes' values.
	unescaped = strings.NewReplacer("&apos;", "'", "&quot;", `"`, "&lt;", "<", "&gt;", ">", "&amp;", "&", "&#10;", "\n", "&#9;", "\t")
)

// forgetGenerated takes out of a definition what doc left to the daemon to make
// up, and what need not be equal.
func forgetGenerated(doc, text string) string {
	if !givenUUID.MatchString(doc) {
		text = uuidElement.ReplaceAllString(text, "")
	}
	if !givenMAC.MatchString(hosts.ReplaceAllString(doc, "")) {
		text = macElement.ReplaceAllString(text, "")
	}
	for range 2 { // what is taken out may leave something empty
		text = unequal.ReplaceAllString(text, "$2")
	}
	return unescaped.Replace(text)
}

// mutants are documents that differ from doc in one place.
func mutants(doc string) []string {
	var all []string
	for _, at := range attribute.FindAllStringSubmatchIndex(doc, -1) {
		all = append(all, doc[:at[0]]+doc[at[1]:])
		value := doc[at[4]+1 : at[5]-1]
		for _, v := range append([]string{" " + value, value + " ", value + "x", value + "0"}, oddValues...) {
			all = append(all, doc[:at[4]+1]+v+doc[at[5]-1:])
		}
	}
	for _, e := range elements(doc) {
		text := doc[e[0]:e[1]]
		all = append(all, doc[:e[0]]+doc[e[1]:], doc[:e[0]]+text+text+doc[e[1]:])
		if content := strings.IndexByte(text, '>'); content >= 0 && !strings.Contains(text, "<network") {
			name := regexp.MustCompile(`^<([\w:]+)`).FindStringSubmatch(text)[1]
			for _, v := range append([]string{""}, oddValues...) {
				all = append(all, doc[:e[0]]+"<"+name+">"+v+"</"+name+">"+doc[e[1]:])
			}
		}
	}
	return all
}

var attribute = regexp.MustCompile(`\s([\w:]+)=('[^']*'|"[^"]*")`)

// oddValues are put in place of every attribute's value.
var oddValues = []string{
	"", "0", "1", "-1", "+1", "007", "0x10", "1.5", "70000", "5000000000", "99999999999999999999", "nonsense", "yes", "no", "on", "off", "none", "a b", "a/b",
	"a\nb", "a&#10;b", "\u00e9", "a&apos;b&lt;", "10.0.0.1", "10.0.0.256", "010.0.0.1", "10.1", "fd00::1", "fd00::1%lo", "::ffff:10.0.0.1", "255.255.255.0", "255.0.255.0", "0.0.0.0", "224.0.0.1", "127.0.0.1",
	"52:54:00:00:00:01", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "525400000001", "52:54:0:0:0:1", "virbr%d", "virbr7", "eth0", "nat", "route", "bridge", "hostdev", "private", "open", "libvirt", "default",
	"0x0000:0x00:0x00.0", "pci", "minutes", "infinite", "tcp", "udp", "abcdefghijklmnopqrstuvwxyz", "native-tagged", "802.1Qbg", "openvswitch", "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f",
}

// elements are the places of the document's elements, from < to behind the
// last >.
func elements(doc string) [][2]int {
	var found [][2]int
	var open []int
	dec := xml.NewDecoder(strings.NewReader(doc))
	for {
		start := int(dec.InputOffset())
		tok, err := dec.RawToken()
		if err != nil {
			return found
		}
		switch tok.(type) {
		case xml.StartElement:
			open = append(open, start)
		case xml.EndElement:
			if len(open) > 0 {
				found = append(found, [2]int{open[len(open)-1], int(dec.InputOffset())})
				open = open[:len(open)-1]
			}
		}
	}
}

// onPurpose are the documents that we refuse and libvirt takes, by what our
// refusal says, and takenOnPurpose those that we take, by libvirt's refusal.
// docs/compat.md has why.
var (
	onPurpose = regexp.MustCompile(`dnsmasq:option|unknown option|metadata/boot|Invalid IP address .* in static host definition|Invalid delay value|Invalid mtu size|` +
		`missing required (service|protocol) attribute in DNS SRV|attribute not permitted without target|Missing required (dev )?attribute|Invalid forwarder element|Static host definition in IPv`)
	// eitherFault are refusals of documents with two faults, of which libvirt
	// tells the other.
	eitherFault    = regexp.MustCompile(`Bad ipv4 (start|end) address .*in <nat>|no IP address provided`)
	takenOnPurpose = regexp.MustCompile(`<vlan> element specified|Unable to validate doc`)
)

// TestModernEveryDocumentHasTheSameOutcome defines documents and what they
// become by one change, and compares the refusal's code or the definition.
func TestModernEveryDocumentHasTheSameOutcome(t *testing.T) {
	p := newPair(t)
	ours, libvirts := newDefiner(t, p.ours), newDefiner(t, p.libvirts)
	docs := documents(t)
	tally := tally{kinds: make(map[string]int)}
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		want := libvirts.define(t, docs[name], false)
		// Of several faults either may be told.
		faulty := want.Refused != 0
		tally.add(t, name, docs[name], false, want, ours.define(t, docs[name], false))
		tally.add(t, name, docs[name], true, libvirts.define(t, docs[name], true), ours.define(t, docs[name], true))
		if strings.Contains(name, "out/") { // the outputs are much like the inputs
			continue
		}
		seen := make(map[string]bool)
		for _, doc := range mutants(docs[name]) {
			if !seen[doc] {
				tally.add(t, name, doc, faulty, libvirts.define(t, doc, false), ours.define(t, doc, false))
			}
			seen[doc] = true
		}
	}
	t.Logf("%d documents: %d have the same outcome, %d are refused with another code, %d refused and %d taken on purpose",
		tally.count, tally.same, tally.otherCode, tally.refused, tally.taken)
	for _, kind := range slices.Sorted(maps.Keys(tally.kinds)) {
		t.Logf("%6d %s", tally.kinds[kind], kind)
	}
}

// tally counts outcomes, and kinds of differences.
type tally struct {
	count, same, otherCode, refused, taken int
	kinds                                  map[string]int
}

// add compares the outcomes of a document; with anyCode a refusal may have
// another one than libvirt's.
func (a *tally) add(t *testing.T, name, doc string, anyCode bool, want, got outcome) {
	t.Helper()
	a.count++
	switch {
	case want.Refused == got.Refused && (want.Refused != 0 || want.Text == got.Text):
		a.same++
		return
	case want.Refused != 0 && got.Refused != 0 && (anyCode || eitherFault.MatchString(got.Text)):
		a.otherCode++
		return
	case want.Refused == 0 && onPurpose.MatchString(got.Text):
		a.refused++
		return
	case got.Refused == 0 && takenOnPurpose.MatchString(want.Text):
		a.taken++
		return
	}
	kind := fmt.Sprintf("libvirt %d %s, we %d %s", want.Refused, gist(want), got.Refused, gist(got))
	if want.Refused == 0 && got.Refused == 0 {
		kind = "both take it: " + particular.ReplaceAllString(firstDifference(want.Text, got.Text), "*")
	}
	if a.kinds[kind]++; a.kinds[kind] == 1 {
		t.Errorf("%s: %s\n%s\n%s", name, kind, doc, cmp.Diff(want.Text, got.Text))
	}
}

// gist is a refusal without what is of one document only.
func gist(o outcome) string {
	if o.Refused == 0 {
		return ""
	}
	line, _, _ := strings.Cut(o.Text, "\n")
	return particular.ReplaceAllString(line, "*")
}

// firstDifference is the first line of each text that the other lacks there.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("libvirt %s, we %s", strings.TrimSpace(w[i]), strings.TrimSpace(g[i]))
		}
	}
	return "more lines"
}

var particular = regexp.MustCompile(`'[^']*'|"[^"]*"|\d+|network .*`)
