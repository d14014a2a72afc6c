package rpc

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// outcome is what a daemon says to a fixture: "ok", a code, "-" if not asked.
type outcome struct{ fixture, define, start string }

// outcomes are those of fixtures/conformance.txt.
func outcomes(t *testing.T) []outcome {
	t.Helper()
	text, err := os.ReadFile("../fixtures/conformance.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []outcome
	seen := make(map[outcome]bool)
	for _, m := range regexp.MustCompile(`(\S+) define (\S+) start (\S+)`).FindAllStringSubmatch(string(text), -1) {
		if o := (outcome{m[1], m[2], m[3]}); !seen[o] {
			seen[o] = true
			all = append(all, o)
		}
	}
	if len(all) < 50 {
		t.Fatalf("%d outcomes", len(all))
	}
	return all
}

// want compares what a call said with what the register says.
func want(t *testing.T, what, want string, got wire.Code, text string) {
	t.Helper()
	code := 0
	if want != "ok" {
		code, _ = strconv.Atoi(want)
	}
	if got != wire.Code(code) {
		t.Errorf("%s: code %d (%s), want %s", what, got, text, want)
	}
}

// Every fixture is defined and started as libvirt does, or refused with its
// code; what was refused is not there, and what was stopped has left nothing.
func TestFixturesAreDefinedAndStartedAsWithLibvirt(t *testing.T) {
	h := newRealHost(t)
	for _, o := range outcomes(t) {
		t.Run(o.fixture+" "+o.start, func(t *testing.T) {
			h.TB = t
			doc, err := os.ReadFile(filepath.Join("../fixtures", o.fixture, "network.xml"))
			if err != nil {
				t.Fatal(err)
			}
			before := h.ns.Run(t, "ip -o link | sed 's/^[0-9]*: //'; ip -o addr | sed 's/^[0-9]*: //'; ip route; nft list ruleset; ss -Hlnuatw")
			f := h.call(wire.NetworkDefineXML, string(doc))
			if f.Status != wire.OK {
				e := failureOf(h, f)
				want(t, "define", o.define, e.Code, *e.Message)
				return
			}
			want(t, "define", o.define, 0, "")
			var n wire.Network
			if err := wire.Unmarshal(f.Payload, &n); err != nil {
				t.Fatal(err)
			}
			if printed, err := os.ReadFile(filepath.Join("../fixtures", o.fixture, "defined.xml")); err != nil || string(printed) != h.xml(n, wire.XMLInactive) {
				t.Errorf("printed otherwise than defined.xml (%v):\n%s", err, h.xml(n, wire.XMLInactive))
			}
			if o.start != "-" {
				code, text := h.code(wire.NetworkCreate, n)
				want(t, "start", o.start, code, text)
				if code == 0 {
					h.must(wire.NetworkDestroy, n)
				}
			}
			h.must(wire.NetworkUndefine, n)
			after := h.ns.Run(t, "ip -o link | sed 's/^[0-9]*: //'; ip -o addr | sed 's/^[0-9]*: //'; ip route; nft list ruleset; ss -Hlnuatw")
			if before != after {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

func TestNetworkWithQuotesInItsName(t *testing.T) {
	h := newRealHost(t)
	n := h.define(`<network><name>default"with"quotes</name><ip address='192.168.99.1' prefix='24'><dhcp><range start='192.168.99.2' end='192.168.99.9'/></dhcp></ip></network>`)
	h.must(wire.NetworkCreate, n)
	if doc := h.xml(n, 0); !strings.Contains(doc, "<name>default&quot;with&quot;quotes</name>") && !strings.Contains(doc, `<name>default"with"quotes</name>`) {
		t.Error(doc)
	}
	h.must(wire.NetworkDestroy, n)
	h.must(wire.NetworkUndefine, n)
}

func TestSecondNetworkOnABridgeIsRefused(t *testing.T) {
	h := newRealHost(t)
	h.define(`<network><name>a</name><bridge name='virbr9'/></network>`)
	code, text := h.code(wire.NetworkDefineXML, `<network><name>b</name><bridge name='virbr9'/></network>`)
	want(t, "define", "1", code, text)
	if !strings.Contains(text, "bridge name 'virbr9' already in use") {
		t.Error(text)
	}
}

func TestUUIDOfAnotherNetworkIsRefused(t *testing.T) {
	h := newRealHost(t)
	const uuid = "<uuid>5d8e3f6a-0b1c-4d2e-9f30-0000000000aa</uuid>"
	n := h.define(`<network><name>a</name>` + uuid + `</network>`)
	for doc, gist := range map[string]string{
		`<network><name>b</name>` + uuid + `</network>`: "network 'a' is already defined with uuid",
		`<network><name>a</name></network>`:             "network 'a' already exists with uuid",
	} {
		code, text := h.code(wire.NetworkDefineXML, doc)
		want(t, "define", "9", code, text)
		if !strings.Contains(text, gist) {
			t.Error(text)
		}
	}
	h.must(wire.NetworkCreate, n)
	code, text := h.code(wire.NetworkCreateXML, `<network><name>a</name>`+uuid+`</network>`)
	want(t, "create", "55", code, text)
}
