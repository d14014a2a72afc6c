package port

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

const identity = `  <uuid>5d744f21-ba4a-4d6e-bdb2-30a35ff3207d</uuid>
  <owner>
    <name>web &amp; co</name>
    <uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid>
  </owner>
`

const mac = "  <mac address='52:54:00:7b:35:93'/>\n"

// doc is a port with what follows its MAC address.
func doc(rest string) string {
	return "<networkport>\n" + identity + mac + rest + "</networkport>\n"
}

func TestPortsArePrintedAsTheyWereRead(t *testing.T) {
	for name, xml := range map[string]string{
		"request":     doc(""),
		"group":       "<networkport>\n" + identity + "  <group>web1</group>\n" + mac + "</networkport>\n",
		"network":     doc("  <plug type='network' bridge='virbr0'/>\n"),
		"bridge":      doc("  <plug type='bridge' bridge='br0'/>\n"),
		"bridge, FDB": doc("  <plug type='bridge' bridge='br0' macTableManager='libvirt'/>\n"),
		"direct":      doc("  <virtualport type='802.1Qbg'>\n    <parameters managerid='11' typeid='1193047' typeidversion='2'/>\n  </virtualport>\n  <plug type='direct' dev='ens3' mode='passthrough'/>\n"),
		"hostdev":     doc("  <plug type='hostdev-pci' managed='no'>\n    <driver name='vfio' model='mlx5_vfio_pci'/>\n    <address domain='0x0001' bus='0x02' slot='0x03' function='0x4'/>\n  </plug>\n"),
		"managed":     doc("  <plug type='hostdev-pci' managed='yes'>\n    <address domain='0x0001' bus='0x02' slot='0x03' function='0x4'/>\n  </plug>\n"),
		"openvswitch": doc("  <virtualport type='openvswitch'/>\n"),
		"all": doc(`  <bandwidth classID='1729'>
    <inbound average='1000' peak='4000' floor='2000' burst='1024'/>
    <outbound average='128' peak='256' burst='32768'/>
  </bandwidth>
  <vlan trunk='yes'>
    <tag id='2'/>
    <tag id='1729' nativeMode='untagged'/>
  </vlan>
  <port isolated='yes'/>
  <rxfilters trustGuest='no'/>
  <plug type='network' bridge='virbr0'/>
`),
		"floor only": doc("  <bandwidth>\n    <inbound floor='5'/>\n  </bandwidth>\n"),
	} {
		t.Run(name, func(t *testing.T) {
			p, warnings, err := Parse([]byte(xml), true)
			if err != nil || len(warnings) > 0 {
				t.Fatal(err, warnings)
			}
			if diff := cmp.Diff(xml, string(p.Format())); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestLibvirtsOwnPorts reads libvirt's cases where they lie beside the
// repository.
func TestLibvirtsOwnPorts(t *testing.T) {
	files, err := filepath.Glob("../../shared/corpus/virnetworkportxml2xmldata/*.xml")
	if err != nil || len(files) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("libvirt's cases are not there: %v", err)
		}
		t.Log("no shared/corpus beside the repository: only our own cases are tested")
	}
	for _, f := range files {
		want, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		p, warnings, err := Parse(want, true)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v %v", f, err, warnings)
			continue
		}
		if diff := cmp.Diff(string(want), string(p.Format())); diff != "" {
			t.Errorf("%s (-want +got)\n%s", f, diff)
		}
	}
}

func TestCompactRequestIsRead(t *testing.T) {
	// As virtqemud writes them, and with what libvirt leaves out.
	xml := `<networkport><uuid>5d744f21ba4a4d6ebdb230a35ff3207d</uuid><owner><name>g1</name>` +
		`<uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid></owner><mac address='52:54:0:AB:cd:0'/>` +
		`<plug/><bandwidth><outbound average='0'/></bandwidth></networkport>`
	p, _, err := Parse([]byte(xml), false)
	if err != nil {
		t.Fatal(err)
	}
	want := `<networkport>
  <uuid>5d744f21-ba4a-4d6e-bdb2-30a35ff3207d</uuid>
  <owner>
    <name>g1</name>
    <uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid>
  </owner>
  <mac address='52:54:00:ab:cd:00'/>
</networkport>
`
	if diff := cmp.Diff(want, string(p.Format())); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDirectPlugWithoutModeIsVEPA(t *testing.T) {
	p, _, err := Parse([]byte(doc("<plug type='direct' dev='a'/>")), false)
	if want := (Plug{Kind: DirectPlug, Dev: "a", Mode: xmlnet.VEPA}); err != nil || p.Plug != want {
		t.Errorf("got %+v, %v", p.Plug, err)
	}
}

// refusals are documents and the refusal they get.
var refusals = []struct {
	name, xml string
	kind      xmlnet.Kind
	text      string
}{
	{"not XML", "<networkport", xmlnet.XMLDetail, ""},
	{"another document", "<network/>", xmlnet.XMLError, "expecting root element of 'networkport', not 'network'"},
	{"no uuid", "<networkport/>", xmlnet.InternalError, "network port has no uuid"},
	{"bad uuid", strings.Replace(doc(""), "5d74", "x", 1), xmlnet.InternalError, "Unable to parse UUID 'x4f21-ba4a-4d6e-bdb2-30a35ff3207d'"},
	{"no owner", "<networkport><uuid>5d744f21-ba4a-4d6e-bdb2-30a35ff3207d</uuid></networkport>", xmlnet.InternalError, "network port has no owner name"},
	{"no owner's uuid", "<networkport><uuid>5d744f21-ba4a-4d6e-bdb2-30a35ff3207d</uuid><owner><name>a</name></owner></networkport>", xmlnet.InternalError, "network port has no owner UUID"},
	{"bad owner's uuid", strings.Replace(doc(""), "d54d", "y", 1), xmlnet.InternalError, "Unable to parse UUID 'yf46f-1ab5-4a22-8618-4560ef5fac2c'"},
	{"no mac", "<networkport>" + identity + "</networkport>", xmlnet.InternalError, "network port has no mac"},
	{"bad mac", strings.Replace(doc(""), "52:54", "52:54:1", 1), xmlnet.InternalError, "Unable to parse MAC '52:54:1:00:7b:35:93'"},
	{"unknown plug", doc("<plug type='x'/>"), xmlnet.XMLError, "Invalid value for attribute 'type' in element 'plug': 'x'."},
	{"no bridge", doc("<plug type='network'/>"), xmlnet.XMLError, "Missing network port bridge name"},
	{"bad macTableManager", doc("<plug type='network' bridge='b' macTableManager='x'/>"), xmlnet.XMLError, "Invalid macTableManager setting 'x' in network port"},
	{"no dev", doc("<plug type='direct'/>"), xmlnet.XMLError, "Missing network port link device name"},
	{"bad mode", doc("<plug type='direct' dev='a' mode='nat'/>"), xmlnet.XMLError, "Invalid mode setting 'nat' in network port"},
	{"no address", doc("<plug type='hostdev-pci'/>"), xmlnet.XMLError, "Missing network port PCI address"},
	{"bad address", doc("<plug type='hostdev-pci'><address slot='99'/></plug>"), xmlnet.XMLError, "Invalid PCI address slot='0x63', must be <= 0x1F"},
	{"bad driver", doc("<plug type='hostdev-pci'><driver name='x'/></plug>"), xmlnet.XMLError, "Missing network port driver name"},
	{"bad managed", doc("<plug type='hostdev-pci' managed='x'/>"), xmlnet.XMLError, "Invalid value for attribute 'managed' in element 'plug': 'x'."},
	{"bad isolated", doc("<port isolated='x'/>"), xmlnet.XMLError, "Invalid value for attribute 'isolated' in element 'port': 'x'."},
	{"bad trust", doc("<rxfilters trustGuest='x'/>"), xmlnet.XMLError, "Invalid value for attribute 'trustGuest' in element 'rxfilters': 'x'."},
	{"floor outbound", doc("<bandwidth><outbound average='1' floor='1'/></bandwidth>"), xmlnet.ConfigUnsupported, "'floor' attribute allowed only in <inbound> element"},
	{"peak alone", doc("<bandwidth><inbound peak='1'/></bandwidth>"), xmlnet.ConfigUnsupported, "'peak' and 'burst' require 'average' attribute in <inbound>"},
	{"nothing", doc("<bandwidth><inbound/></bandwidth>"), xmlnet.XMLDetail, "Missing mandatory average or floor attributes in <inbound>"},
	{"bad classID", doc("<bandwidth classID='-1'/>"), xmlnet.InternalError, "Unable to parse class id '-1'"},
	{"bad number", doc("<bandwidth><inbound average='a'/></bandwidth>"), xmlnet.XMLError, "Invalid value for attribute 'average' in element 'inbound': 'a'. Expected non-negative integer value"},
	{"no tag", doc("<vlan/>"), xmlnet.XMLError, "missing tag id - each <vlan> must have at least one <tag id='n'/> subelement"},
	{"virtualport without type", doc("<virtualport/>"), xmlnet.XMLError, "missing required virtualport type"},
}

func TestBadPortsAreRefused(t *testing.T) {
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Parse([]byte(tt.xml), false)
			e, ok := errors.AsType[*xmlnet.Error](err)
			if !ok || e.Kind != tt.kind || tt.text != "" && e.Text != tt.text {
				t.Errorf("got %#v, want %d %s", err, tt.kind, tt.text)
			}
		})
	}
}

func TestUnknownPartsAreRefusedOnlyWhenAskedTo(t *testing.T) {
	xml := []byte(doc("<colour/>"))
	_, warnings, err := Parse(xml, false)
	if err != nil || fmt.Sprint(warnings) != "[line 8: networkport: unknown element <colour> ignored]" {
		t.Errorf("got %v, %v", warnings, err)
	}
	_, _, err = Parse(xml, true)
	if e, ok := errors.AsType[*xmlnet.Error](err); !ok || e.Kind != xmlnet.XMLInvalidSchema {
		t.Errorf("got %v", err)
	}
}

// FuzzParse checks that no document makes Parse panic, and that what it reads
// survives being printed and read again, to the byte.
func FuzzParse(f *testing.F) {
	for _, tt := range refusals {
		f.Add([]byte(tt.xml))
	}
	f.Add([]byte(doc("<group>g</group><virtualport type='midonet'><parameters interfaceid='5d744f21-ba4a-4d6e-bdb2-30a35ff3207d'/></virtualport>")))
	f.Add([]byte(doc("<bandwidth classID='3'><inbound floor='9'/></bandwidth><vlan><tag id='1' nativeMode='tagged'/></vlan><port isolated='no'/>")))
	f.Fuzz(func(t *testing.T, xml []byte) {
		p, _, err := Parse(xml, false)
		if err != nil {
			if e, ok := errors.AsType[*xmlnet.Error](err); !ok || e.Text == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		text := p.Format()
		again, warnings, err := Parse(text, true)
		if err != nil || len(warnings) > 0 {
			t.Fatalf("reading what was printed: %v, warnings %v\n%s", err, warnings, text)
		}
		if diff := cmp.Diff(string(text), string(again.Format())); diff != "" {
			t.Errorf("(-first +second)\n%s", diff)
		}
	})
}
