package xmlnet

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// FuzzParse checks that no document makes Parse panic, and that what it reads
// survives being printed and read again, to the byte.
func FuzzParse(f *testing.F) {
	for _, prefix := range []string{"bad-", "!bad-"} {
		for _, dir := range fixtures(f, prefix) {
			f.Add(readFile(f, dir+"/network.xml"))
		}
	}
	for _, c := range documentRefusals {
		f.Add([]byte(c.wrap(c.xml)))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		n, _, err := Parse(doc)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Text == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		checkRoundTrip(t, n)
		if conforms(doc, "network", networkGrammar) == nil {
			if err := conforms(n.Format(FormatOptions{}), "network", networkGrammar); err != nil {
				t.Fatalf("what was printed is not valid, and what was read is: %v", err)
			}
		}
	})
}

// FuzzMetadata is FuzzParse for what other programs put into a network.
func FuzzMetadata(f *testing.F) {
	f.Add("<p:a xmlns:p='urn:a' q='1'> &#32; <p:b>x</p:b><![CDATA[ ]]><!-- c --><?pi d?></p:a>")
	f.Add("<z:a><a xmlns='urn:b'>\n <b/>\n</a></z:a><c xmlns=''/>")
	f.Fuzz(func(t *testing.T, xml string) {
		n, _, err := Parse([]byte("<network xmlns:z='urn:z'><name>n</name><metadata>" + xml + "</metadata></network>"))
		if err == nil {
			checkRoundTrip(t, n)
		}
	})
}

// checkRoundTrip checks that n is the same after being printed and read.
func checkRoundTrip(t interface{ Fatalf(string, ...any) }, n *Network) {
	text := n.Format(FormatOptions{})
	again, warnings, err := Parse(text)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("reading what was printed: %v, warnings %v\n%s", err, warnings, text)
	}
	if diff := cmp.Diff(n, again, equateNetip); diff != "" {
		t.Fatalf("(-printed +read):\n%s\n%s", diff, text)
	}
	if diff := cmp.Diff(string(text), string(again.Format(FormatOptions{}))); diff != "" {
		t.Fatalf("printed again (-first +second):\n%s", diff)
	}
}

// xmlText draws text that XML can hold, rich in what needs escaping.
func xmlText() *rapid.Generator[string] {
	special := rapid.SampledFrom([]rune("&<>'\"%\t\r\n ]é\u2028\U0001f600"))
	any := rapid.Rune().Filter(func(r rune) bool {
		return r >= ' ' && utf8.ValidRune(r) && r != '\ufffe' && r != '\uffff'
	})
	return rapid.StringOfN(rapid.OneOf(special, any), 1, 12, -1)
}

func TestAnyTextSurvivesPrintingAndReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := xmlText()
		n := &Network{
			Name:        text.Filter(func(s string) bool { return !strings.Contains(s, "/") }).Draw(t, "name"),
			Title:       text.Filter(func(s string) bool { return !strings.Contains(s, "\n") }).Draw(t, "title"),
			Description: text.Draw(t, "description"),
			MTU:         rapid.Uint32().Draw(t, "mtu"),
			MAC:         net.HardwareAddr{2, 0, 0, 0, 0, rapid.Byte().Draw(t, "mac")},
			Bridge:      Bridge{Name: text.Draw(t, "bridge"), Zone: text.Draw(t, "zone"), Delay: rapid.Uint32().Draw(t, "delay")},
			Domain:      Domain{Name: text.Draw(t, "domain"), LocalOnly: rapid.SampledFrom([]Tristate{Unset, Yes, No}).Draw(t, "localOnly")},
		}
		n.DNS.TXT = []TXT{{"t", text.Filter(func(s string) bool { return !strings.ContainsAny(s, "\r\n") }).Draw(t, "txt")}}
		n.DNS.Hosts = []DNSHost{{netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "addr"))), []string{text.Draw(t, "hostname")}}}
		n.DNSMasqOptions = rapid.SliceOfN(text, 1, 3).Draw(t, "options")
		ip := IP{
			Prefix:   netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "ip")}), rapid.IntRange(1, 32).Draw(t, "bits")),
			Text:     IPText{HasPrefix: true},
			TFTPRoot: text.Draw(t, "root"),
			Hosts: []Host{{
				Name: "h" + text.Draw(t, "host"), Addr: netip.MustParseAddr("10.0.0.9"),
				Lease: &Lease{Expiry: rapid.Uint64Min(120).Draw(t, "lease"), Unit: rapid.SampledFrom([]LeaseUnit{Minutes, Seconds, Hours}).Draw(t, "unit")},
			}},
			Bootp: &Bootp{File: text.Draw(t, "file")},
		}
		n.IPs = []IP{ip}
		n.PortGroups = []PortGroup{{Name: text.Draw(t, "group")}}
		checkRoundTrip(t, n)
	})
}
