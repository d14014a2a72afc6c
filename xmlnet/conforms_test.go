package xmlnet

import (
	"errors"
	"strings"
	"testing"
)

// Values and omissions that libvirt's parser takes, and its schema does not.
func TestValidationRefusesValuesThatParsingTakes(t *testing.T) {
	for body, text := range map[string]string{
		"<bridge name='a b'/>":   "value 'a b' of attribute name in bridge is not allowed",
		"<bridge stp='yes'/>":    "value 'yes' of attribute stp in bridge",
		"<mtu/>":                 "expected attribute size in mtu",
		"<mtu size='65536'/>":    "value '65536' of attribute size in mtu",
		"<domain name='a_b'/>":   "value 'a_b' of attribute name in domain",
		"<forward mode='none'/>": "value 'none' of attribute mode in forward",
		"<uuid>5d8e3f6a0b1c-4d2e-9f30-000000000015</uuid>": "text '5d8e3f6a0b1c-4d2e-9f30-000000000015' of uuid",
		"<title></title>": "text '' of title",
		"<dns><srv service='a' protocol='sctp'/></dns>":                  "value 'sctp' of attribute protocol in srv",
		"<dns><host ip='10.1'><hostname>a</hostname></host></dns>":       "value '10.1' of attribute ip in host",
		"<dns><host ip='10.0.0.1'><hostname>a b</hostname></host></dns>": "text 'a b' of hostname",
		"<ip address='10.1'/>": "value '10.1' of attribute address in ip",
		"<ip address='10.0.0.1'><dhcp><host mac='52:54:0:0:0:1' ip='10.0.0.2'/></dhcp></ip>":            "value '52:54:0:0:0:1' of attribute mac in host",
		"<ip address='10.0.0.1'><dhcp><host mac='52:54:00:00:00:01' id='0' ip='10.0.0.2'/></dhcp></ip>": "value '0' of attribute id in host",
		"<ip address='10.0.0.1'><tftp/></ip>":                                                           "expected attribute root in tftp",
		"<portgroup name='p'><vlan trunk='no'><tag id='1'/></vlan></portgroup>":                         "value 'no' of attribute trunk in vlan",
		"<portgroup name='p' default='YES'/>":                                                           "value 'YES' of attribute default in portgroup",
		"<metadata>text</metadata>":                                                                     "did not expect text \"text\" in metadata",
	} {
		doc := []byte("<network><name>n</name>" + body + "</network>")
		if _, _, err := Parse(doc); err != nil {
			t.Errorf("Parse of %s: %v", body, err)
		}
		var e *Error
		if _, err := ParseStrict(doc); !errors.As(err, &e) || e.Kind != XMLInvalidSchema || !strings.HasPrefix(e.Text, text) {
			t.Errorf("ParseStrict of %s: %v, want %q", body, err, text)
		}
	}
}

// The schema's verdict comes before the parser's.
func TestValidationComesFirst(t *testing.T) {
	for doc, want := range map[string]Kind{
		"<network><name>n</name><domain name='a' localOnly='maybe'/></network>": XMLInvalidSchema,
		"<network/>":                                  XMLInvalidSchema,
		"<domain><name>n</name></domain>":             XMLInvalidSchema,
		"<network><name>n</network>":                  XMLDetail,
		"<network><name>n</name><forward/></network>": XMLError,
	} {
		var e *Error
		if _, err := ParseStrict([]byte(doc)); !errors.As(err, &e) || e.Kind != want {
			t.Errorf("%s: %v, want kind %d", doc, err, want)
		}
	}
}
