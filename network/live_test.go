package network

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

const (
	liveUUID = "<uuid>12345678-1234-4234-8234-123456789abc</uuid>"
	addHost  = `<host mac='52:54:00:00:00:01' name='vm1' ip='192.168.77.200'/>`
)

// liveDoc is a network n on virbr7 with what is given.
func liveDoc(body string) string {
	return "<network><name>n</name>" + liveUUID + "<mac address='52:54:00:77:77:77'/>" + body + "</network>"
}

var natBody = "<forward mode='nat'/><bridge name='virbr7'/>" +
	"<ip address='192.168.77.1' netmask='255.255.255.0'><dhcp><range start='192.168.77.2' end='192.168.77.9'/></dhcp></ip>"

func addTXT(name string) xmlnet.Update {
	return xmlnet.Update{Command: xmlnet.AddLast, Section: xmlnet.SectionDNSTXT, ParentIndex: -1, XML: []byte("<txt name='" + name + "' value='v'/>")}
}

// xmls returns both definitions.
func (s *site) xmls(id xmlnet.UUID) (live, config string) {
	s.t.Helper()
	live, err := s.XML(id, false)
	if err == nil {
		config, err = s.XML(id, true)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return live, config
}

func TestUpdateChangesTheDefinitionsThatItsFlagsName(t *testing.T) {
	for _, tt := range []struct {
		name         string
		state        string // "active", "inactive", "transient"
		affect       Affect
		live, config bool // what has the record afterwards
		refusal      string
	}{
		{"current of active", "active", AffectCurrent, true, false, ""},
		{"live", "active", AffectLive, true, false, ""},
		{"config of active", "active", AffectConfig, false, true, ""},
		{"both", "active", AffectLive | AffectConfig, true, true, ""},
		{"current of inactive", "inactive", AffectCurrent, true, true, ""}, // the one definition it has
		{"config of inactive", "inactive", AffectConfig, true, true, ""},
		{"live of inactive", "inactive", AffectLive, false, false, "network is not running"},
		{"both of inactive", "inactive", AffectLive | AffectConfig, false, false, "network is not running"},
		{"live of transient", "transient", AffectLive, true, true, ""},
		{"config of transient", "transient", AffectConfig, false, false, "cannot change persistent config of a transient network"},
		{"both of transient", "transient", AffectLive | AffectConfig, false, false, "cannot change persistent config of a transient network"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			id := xmlnet.UUID{}
			if tt.state == "transient" {
				ref, err := s.Create(t.Context(), []byte(natDoc), false)
				if err != nil {
					t.Fatal(err)
				}
				id = ref.UUID
			} else if id = s.mustDefine(natDoc).UUID; tt.state == "active" {
				if err := s.Start(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			err := s.Update(t.Context(), id, addTXT("record"), tt.affect)
			if tt.refusal == "" && err != nil || tt.refusal != "" && (!errors.Is(err, ErrOperationInvalid) || err.Error() != tt.refusal) {
				t.Errorf("got %v, want %q", err, tt.refusal)
			}
			check := func(when string) {
				live, config := s.xmls(id)
				if strings.Contains(live, "record") != tt.live || strings.Contains(config, "record") != tt.config {
					t.Errorf("%s: live %v, config %v", when, strings.Contains(live, "record"), strings.Contains(config, "record"))
				}
			}
			check("at once")
			s.stop()
			s.start()
			check("after a restart")
		})
	}
}

func TestUpdateOfBothChangesNeitherIfOneIsRefused(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	if err := s.Update(t.Context(), ref.UUID, addTXT("a"), AffectConfig); err != nil {
		t.Fatal(err)
	}
	live, config := s.xmls(ref.UUID)
	err := s.Update(t.Context(), ref.UUID, addTXT("a"), AffectLive|AffectConfig)
	if refusal := new(xmlnet.Error); !errors.As(err, &refusal) || refusal.Kind != xmlnet.OperationInvalid {
		t.Errorf("got %v", err)
	}
	liveAfter, configAfter := s.xmls(ref.UUID)
	if live != liveAfter || config != configAfter {
		t.Errorf("changed: live\n%s\nconfig\n%s", liveAfter, configAfter)
	}
}

func TestLiveUpdateIsServedAtOnceByTheSameSockets(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(liveDoc(natBody))
	sockets := func() string { return s.ns.Run(t, "ss -Hlnuatwe | grep -v '^nl'; ss -Hl0e | sed 's/rq:[0-9]*//'") }
	before := sockets()
	for _, u := range []xmlnet.Update{
		{Command: xmlnet.AddLast, Section: xmlnet.SectionDNSHost, XML: []byte("<host ip='192.168.77.201'><hostname>db</hostname></host>")},
		{Command: xmlnet.AddLast, Section: xmlnet.SectionDHCPHost, ParentIndex: -1, XML: []byte(addHost)},
		{Command: xmlnet.AddFirst, Section: xmlnet.SectionDHCPRange, XML: []byte("<range start='192.168.77.100' end='192.168.77.110'/>")},
		{Command: xmlnet.AddFirst, Section: xmlnet.SectionDNSSRV, XML: []byte("<srv service='ldap' protocol='tcp' domain='x.test' target='db' port='389'/>")},
		addTXT("txt.test"),
	} {
		if err := s.Update(t.Context(), ref.UUID, u, AffectCurrent); err != nil {
			t.Fatalf("%s: %v", u.XML, err)
		}
	}
	answers := func() string {
		return s.ns.Run(t, "for q in 'db A' 'vm1 A' '_ldap._tcp.x.test SRV' 'txt.test TXT' '201.77.168.192.in-addr.arpa PTR'; do dig +short @192.168.77.1 $q; done")
	}
	want := "192.168.77.201\n192.168.77.200\n0 0 389 db.\n\"v\"\ndb.\n"
	if diff := cmp.Diff(want, answers()); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, sockets()); diff != "" {
		t.Errorf("sockets (-before +after):\n%s", diff)
	}
	if err := s.Update(t.Context(), ref.UUID, xmlnet.Update{Command: xmlnet.Delete, Section: xmlnet.SectionDNSHost, XML: []byte("<host><hostname>db</hostname></host>")}, AffectLive); err != nil {
		t.Fatal(err)
	}
	if out := answers(); strings.Contains(out, "192.168.77.201") {
		t.Errorf("a deleted name is answered:\n%s", out)
	}
}

// variants are definitions of one network that may each be changed into each
// other while it is active.
var variants = []string{
	natBody,
	"<forward mode='nat'/><bridge name='virbr7' stp='off'/><ip address='192.168.77.1' netmask='255.255.255.0'/>",
	"<forward mode='route'/><bridge name='virbr7' delay='3'/><domain name='a.test' localOnly='yes'/><ip address='192.168.77.1' netmask='255.255.255.0'><dhcp><range start='192.168.77.2' end='192.168.77.99'/><host mac='52:54:00:00:00:01' ip='192.168.77.200'/></dhcp></ip>",
	"<bridge name='virbr7'/><mtu size='1400'/><ip address='192.168.77.1' netmask='255.255.255.0'/><ip address='10.77.1.1' prefix='20'><dhcp><range start='10.77.1.2' end='10.77.1.99'/></dhcp></ip>",
	"<bridge name='virbr7'/>",
	"<forward mode='open'/><bridge name='virbr7'/><ip address='192.168.77.254' netmask='255.255.254.0'><dhcp><range start='192.168.77.2' end='192.168.77.9'><lease expiry='2' unit='hours'/></range></dhcp></ip><route address='10.99.0.0' prefix='16' gateway='192.168.77.3' metric='7'/>",
	"<forward mode='nat' dev='lo'><nat><address start='192.0.2.1' end='192.0.2.9'/><port start='2000' end='3000'/></nat></forward><bridge name='virbr7'/><dns enable='no'/><ip address='192.168.77.1' prefix='16'/>",
	"<forward mode='nat'/><bridge name='virbr7'/><dns><txt name='t' value='v'/><host ip='1.2.3.4'><hostname>h</hostname></host></dns><ip address='10.77.1.1' prefix='24'/>",
	"<forward mode='route'/><bridge name='virbr7'/><ip family='ipv6' address='fd77::1' prefix='64'/><ip address='192.168.77.1' netmask='255.255.255.0'/>",
	"<forward mode='nat'><nat ipv6='yes'/></forward><bridge name='virbr7'/><bandwidth><inbound average='1000' peak='2000' burst='1024'/></bandwidth><ip family='ipv6' address='fd77:0:0:1::1' prefix='64'/>",
}

// footprint is all that a network has on the host.
func (s *site) footprint(id xmlnet.UUID) string {
	s.t.Helper()
	live, config := s.xmls(id)
	e := s.byID[id]
	listening := s.ns.Run(s.t, "ss -Hlnuatw | awk '{print $1, $5}' | sort; cat /proc/net/packet | wc -l; dig +short +tries=1 +time=1 @192.168.77.1 t TXT || true; bridge -d link; cat /sys/class/net/virbr7/bridge/stp_state /sys/class/net/virbr7/bridge/forward_delay /proc/sys/net/ipv6/conf/virbr7/disable_ipv6; tc qdisc show dev virbr7; tc class show dev virbr7; tc filter show dev virbr7 ingress")
	all := strings.Join([]string{live, config, e.plan.String(), s.kernelState(), listening}, "\n----\n")
	return strings.ReplaceAll(all, s.dir, "")
}

// A network that was changed while active is as one that was started so: the
// same on the kernel, on disk, and in what is served.
func TestLiveChangeEndsWhereAStartDoes(t *testing.T) {
	want := make([]string, len(variants))
	for i, body := range variants {
		s := newSite(t)
		want[i] = s.footprint(s.mustStart(liveDoc(body)).UUID)
		s.stop()
	}
	s := newSite(t)
	ref := s.mustStart(liveDoc(variants[0]))
	s.ns.Run(t, "ip link add g type veth peer name g2; ip link set g master virbr7; ip link set g up; ip link set g2 up; ip link del g")
	random := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		for _, i := range random.Perm(len(variants)) {
			if _, err := s.DefineLive(t.Context(), []byte(liveDoc(variants[i])), false); err != nil {
				t.Fatalf("to %s: %v", variants[i], err)
			}
			if diff := cmp.Diff(want[i], s.footprint(ref.UUID)); diff != "" {
				t.Fatalf("%s\n(-started +changed):\n%s", variants[i], diff)
			}
		}
	}
}

func TestLiveChangeThatFailsIsUndone(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare, to, text string
	}{
		"the new address's port is taken": {"echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind; (socat -u UDP4-RECV:53,bind=10.77.1.1 OPEN:/dev/null >/dev/null 2>&1 & echo $!)",
			variants[7], "10.77.1.1:53"},
		"the new subnet is in use": {"ip link add e type veth peer name x; ip link set e up; ip addr add 10.77.0.1/16 dev e", variants[7], "in use by interface e"},
		"the bridge takes no such MTU": {"true",
			"<forward mode='nat'/><bridge name='virbr7'/><mtu size='4000000'/><ip address='10.77.1.1' prefix='24'/>", "MTU"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			ref := s.mustStart(liveDoc(natBody))
			if out := s.ns.Run(t, tt.prepare); strings.TrimSpace(out) != "" {
				s.ns.Run(t, "for i in $(seq 100); do ss -Hlnu | grep -q 10.77.1.1:53 && exit; sleep 0.05; done; exit 1")
			}
			before := s.footprint(ref.UUID)
			file := s.definition("n")
			_, err := s.DefineLive(t.Context(), []byte(liveDoc(tt.to)), false)
			if err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
			if diff := cmp.Diff(before, s.footprint(ref.UUID)); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(file, s.definition("n")); diff != "" {
				t.Errorf("definition on disk (-before +after):\n%s", diff)
			}
		})
	}
}

// definition is the files of a network.
func (s *site) definition(name string) string {
	s.t.Helper()
	var all []string
	for _, dir := range []string{"networks", "run"} {
		text, err := os.ReadFile(filepath.Join(s.dir, dir, name+".xml"))
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return strings.Join(all, "\n")
}

func TestWhatANetworkIsKnownByStaysWhileItIsActive(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(liveDoc(natBody))
	s.mustDefine(isolatedDoc)
	for _, tt := range []struct {
		name, doc, text string
		kind            error
	}{
		{"bridge", liveDoc(strings.Replace(natBody, "virbr7", "virbr9", 1)), "the bridge name of network 'n' cannot change from 'virbr7' to 'virbr9'", ErrOperationInvalid},
		{"uuid", strings.Replace(liveDoc(natBody), "12345678", "12345679", 1), "the uuid of network 'n' cannot change from 12345678", ErrOperationInvalid},
		{"name", strings.Replace(liveDoc(natBody), "<name>n<", "<name>m<", 1), "the name of network 'n' cannot change, to 'm'", ErrOperationInvalid},
		{"inactive", isolatedDoc, "network 'i' is not active", ErrOperationInvalid},
		{"unknown", "<network><name>x</name></network>", "no network with matching name 'x'", ErrNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := s.footprint(ref.UUID)
			_, err := s.DefineLive(t.Context(), []byte(tt.doc), false)
			if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
			if diff := cmp.Diff(before, s.footprint(ref.UUID)); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
		})
	}
	// Neither UUID nor bridge nor MAC address need be said again.
	if _, err := s.DefineLive(t.Context(), []byte("<network><name>n</name><ip address='192.168.77.1' prefix='24'/></network>"), false); err != nil {
		t.Error(err)
	}
}

func TestMetadataIsKeptAndTold(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	events, cancel := s.Subscribe()
	defer cancel()
	set := func(d Metadata, a Affect) {
		t.Helper()
		if err := s.SetMetadata(ref.UUID, d, a); err != nil {
			t.Fatal(err)
		}
	}
	text := func(kind MetadataType, uri string, a Affect) string {
		got, err := s.Manager.Metadata(ref.UUID, kind, uri, a)
		if err != nil && !errors.Is(err, ErrNoMetadata) {
			t.Fatal(err)
		}
		return got
	}
	set(Metadata{Type: Title, Text: ptr("Title")}, AffectCurrent)
	set(Metadata{Type: Description, Text: ptr("two\nlines")}, AffectConfig)
	set(Metadata{Type: Element, Text: ptr("<a/>"), Key: ptr("k"), URI: ptr("urn:x")}, AffectLive|AffectConfig)
	s.stop()
	s.start()
	for name, tt := range map[string]struct{ got, want string }{
		"live title":         {text(Title, "", AffectLive), "Title"},
		"config title":       {text(Title, "", AffectConfig), ""},
		"live description":   {text(Description, "", AffectCurrent), ""},
		"config description": {text(Description, "", AffectConfig), "two\nlines"},
		"live element":       {text(Element, "urn:x", AffectLive), "<a/>"},
		"config element":     {text(Element, "urn:x", AffectConfig), "<a/>"},
		"another element":    {text(Element, "urn:y", AffectConfig), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", name, tt.got, tt.want)
		}
	}
	for _, want := range []MetadataChange{{Type: Title}, {Type: Description}, {Type: Element, URI: "urn:x"}} {
		if got := <-events; got.Metadata == nil || *got.Metadata != want || got.Network != ref {
			t.Errorf("event %+v, want %+v", got, want)
		}
	}
	set(Metadata{Type: Element, URI: ptr("urn:x")}, AffectLive)
	set(Metadata{Type: Title, Text: ptr("")}, AffectLive)
	if live, _ := s.xmls(ref.UUID); strings.Contains(live, "urn:x") || strings.Contains(live, "title") {
		t.Errorf("deleted metadata is there:\n%s", live)
	}
	for name, d := range map[string]Metadata{
		"title of two lines":  {Type: Title, Text: ptr("a\nb")},
		"title with a uri":    {Type: Title, Text: ptr("a"), URI: ptr("urn:x")},
		"element without uri": {Type: Element, Text: ptr("<a/>"), Key: ptr("k")},
		"element without key": {Type: Element, Text: ptr("<a/>"), URI: ptr("urn:x")},
		"unknown type":        {Type: 9},
	} {
		if err := s.SetMetadata(ref.UUID, d, AffectLive); !errors.Is(err, ErrInvalidArg) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func ptr[T any](v T) *T { return &v }
