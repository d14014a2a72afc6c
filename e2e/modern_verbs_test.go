//go:build modern

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// plainNet is a network with all that would be made up given. ID is two digits.
const plainNet = `<network>
  <name>NAME</name>
  <uuid>00000000-0000-4000-8000-0000000000ID</uuid>
  <title>A title</title>
  <description>Some words</description>
  <metadata><app:x xmlns:app="http://example.org/app" a="1"><app:y/></app:x></metadata>
  <forward mode='nat'/>
  <bridge name='brID' stp='off' delay='0'/>
  <mac address='52:54:00:00:01:ID'/>
  <domain name='example.org'/>
  <dns><host ip='10.44.ID.5'><hostname>fixed</hostname></host></dns>
  <ip address='10.44.ID.1' netmask='255.255.255.0'>
    <dhcp><range start='10.44.ID.100' end='10.44.ID.200'/><host mac='52:54:00:00:02:01' name='one' ip='10.44.ID.11'/></dhcp>
  </ip>
  <portgroup name='slow'><bandwidth><inbound average='100'/></bandwidth></portgroup>
</network>
`

// plain is plainNet as a network called name.
func plain(name string, id int) string {
	return strings.NewReplacer("NAME", name, "ID", fmt.Sprint(id)).Replace(plainNet)
}

// verbs are what people type, in the order in which it is typed. Each builds on
// what those before it left.
var verbs = []string{
	// Nothing is there.
	"v net-list", "v net-list --all", "v net-list --name", "v -q net-list --all", "v net-info lab", "v net-start lab",
	"v net-dumpxml lab", "v net-uuid lab", "v net-name 00000000-0000-4000-8000-000000000011", "v net-undefine lab",
	"v net-destroy lab", "v net-autostart lab", "v net-dhcp-leases lab", "v net-port-list lab", "v net-desc lab",
	"v net-metadata lab http://example.org/app", "v net-edit lab", "v net-update lab add dns-host '<host/>'",
	"v net-port-dumpxml lab 00000000-0000-4000-8000-000000000011", "v net-port-delete lab x",
	"v net-define /run/none.xml", "v net-create /run/none.xml", "v -r net-define /run/lab.xml",

	// Definition.
	"v net-define --validate /run/lab.xml", "v net-define /run/lab.xml", "v net-define /run/bad.xml", "v net-define --validate /run/odd.xml",
	"v net-define /run/odd.xml", "v net-undefine odd", "v net-define /run/renamed.xml", "v net-define /run/sameid.xml",
	"v net-define /run/samebridge.xml", "v net-create /run/samename.xml", "v net-create --validate /run/odd.xml",
	"v net-list", "v net-list --all", "v net-list --inactive", "v net-list --all --title", "v net-list --all --uuid", "v net-list --all --name",
	"v net-list --persistent --all", "v net-list --transient --all", "v net-list --autostart --all", "v net-list --no-autostart --all",
	"v net-list --table --name", "v -q net-list --all", "v net-info lab", "v net-info 00000000-0000-4000-8000-000000000011",
	"v net-uuid lab", "v net-name 00000000-0000-4000-8000-000000000011", "v net-dumpxml lab", "v net-dumpxml lab --inactive",
	"v net-dumpxml lab --xpath //range", "v net-dumpxml lab --xpath //ip/@address", "v net-dumpxml lab --xpath '//host|//range' --wrap",
	"v net-dumpxml lab --xpath //nothing", "v net-dumpxml lab --xpath '//['", "v net-dhcp-leases lab", "v net-port-list lab", "v net-destroy lab",
	"v net-autostart lab", "v net-autostart lab", "v net-info lab", "v net-list --autostart --all", "v net-autostart lab --disable",
	"v net-autostart lab --disable", "v net-info lab",

	// Words.
	"v net-desc lab", "v net-desc lab --title", "v net-desc lab New words, two", "v net-desc lab", "v net-desc lab --title Better",
	"v net-desc lab --title", "v net-desc lab --live", "v net-desc lab --live more", "v net-desc lab --config more", "v net-desc lab --current --live",
	"v net-desc lab ''", "v net-desc lab", "v net-desc lab --title ''", "v net-desc lab --title", `v net-desc lab --title "$(printf 'two\nlines')"`,
	"EDITOR=true v net-desc lab --edit", "EDITOR='sh -c \"echo changed >$0\"' v net-desc lab --edit", "EDITOR='sed -i s/c/C/' v net-desc lab --edit", "v net-desc lab",
	"v net-metadata lab http://example.org/app", "v net-metadata lab http://example.org/none", "v net-metadata lab http://example.org/app --live",
	"v net-metadata lab http://example.org/b --key b --set '<q w=\"1\"/>'", "v net-metadata lab http://example.org/b", "v net-metadata lab http://example.org/b --set '<q/>'",
	"v net-metadata lab http://example.org/b --key b --set '<q'", "v net-metadata lab http://example.org/b --key b --set '<q/>' --remove",
	"v net-metadata lab http://example.org/b --key 'b b' --set '<q/>'",
	"EDITOR=true v net-metadata lab http://example.org/b --key b --edit", "EDITOR='sed -i s/w=/x=/' v net-metadata lab http://example.org/b --key b --edit",
	`v net-metadata lab http://example.org/n --key n --set '<q a="1"><r b="2">text<t/></r><o:s xmlns:o="http://example.org/o" o:c="3"><u/></o:s><v xmlns="http://example.org/v"><w/></v></q>'`,
	"v net-metadata lab http://example.org/n", "v net-dumpxml lab --xpath //metadata",
	`v net-metadata lab http://example.org/n --key m --set '<n:q xmlns:n="http://example.org/n" n:a="1"><n:r n:b="2"/><!-- said --></n:q>'`, "v net-metadata lab http://example.org/n", "v net-dumpxml lab",
	`v net-metadata lab http://example.org/n --key n --set '<q xmlns="http://example.org/n"><r/></q>'`, "v net-metadata lab http://example.org/n", "v net-dumpxml lab",
	`v net-metadata lab http://example.org/n --key n --set '<q/><r/>'`, `v net-metadata lab http://example.org/n --key n --set 'text'`, `v net-metadata lab http://example.org/n --key n --set ''`, "v net-metadata lab http://example.org/n --remove",
	"v net-dumpxml lab", "v net-metadata lab http://example.org/b --remove", "v net-metadata lab http://example.org/b --remove", "v net-dumpxml lab",

	// Editing.
	"EDITOR=true v net-edit lab", "EDITOR='sed -i s/example.org/example.net/' v net-edit lab", "v net-dumpxml lab",
	"EDITOR=false v net-edit lab", "EDITOR='sed -i s/lab/other/' v net-edit lab </dev/null",
	"EDITOR='sed -i s/10.44.11.1/nonsense/' v net-edit lab </dev/null", "v net-dumpxml lab",

	// Life.
	"v net-start lab", "v net-start lab", "v net-list", "v net-info lab", "v net-dumpxml lab", "v net-dumpxml lab --inactive",
	"v -r net-destroy lab", "v -r net-list", "v -r net-dumpxml lab", "v -r net-dhcp-leases lab", "v -r net-desc lab x", "v -r net-start lab", "v -r net-autostart lab", "v -r net-undefine lab",
	"v net-create /run/lab.xml", "v net-define /run/lab2.xml", "v net-dumpxml lab", "v net-dumpxml lab --inactive", "v net-define /run/lab.xml",
	"v net-desc lab --live alive", "v net-desc lab", "v net-desc lab --config", "v net-desc lab --live --config both", "v net-desc lab --config", "v net-desc lab --current cur", "v net-desc lab", "v net-desc lab --config",
	"v net-metadata lab http://example.org/l --key l --set '<l/>' --live", "v net-metadata lab http://example.org/l", "v net-metadata lab http://example.org/l --config",
	"v net-desc lab --title --live 'live title'", "v net-list --title",

	// Updates.
	"v net-update lab add ip-dhcp-host '<host mac=\"52:54:00:00:02:02\" name=\"two\" ip=\"10.44.11.12\"/>'",
	"v net-update lab add ip-dhcp-host '<host mac=\"52:54:00:00:02:03\" name=\"three\" ip=\"10.44.11.13\"/>' --live --config",
	"v net-update lab add-first ip-dhcp-host '<host mac=\"52:54:00:00:02:04\" ip=\"10.44.11.14\"/>' --config",
	"v net-update lab add ip-dhcp-host '<host mac=\"52:54:00:00:02:02\" ip=\"10.44.11.15\"/>'",
	"v net-update lab add ip-dhcp-host '<host mac=\"52:54:00:00:02:09\" ip=\"10.44.11.12\"/>'",
	"v net-update lab modify ip-dhcp-host '<host mac=\"52:54:00:00:02:02\" name=\"two\" ip=\"10.44.11.22\"/>'",
	"v net-update lab modify ip-dhcp-host '<host mac=\"52:54:00:00:02:77\" name=\"x\" ip=\"10.44.11.23\"/>'",
	"v net-update lab delete ip-dhcp-host '<host mac=\"52:54:00:00:02:02\"/>'", "v net-update lab delete ip-dhcp-host '<host mac=\"52:54:00:00:02:02\"/>'",
	"v net-update lab add ip-dhcp-host /run/host.xml --live", "v net-update lab add ip-dhcp-host '<host'", "v net-update lab add ip-dhcp-host '<hos/>'",
	"v net-update lab add ip-dhcp-host '<host mac=\"52:54:00:00:02:06\" ip=\"fd00::1\"/>'", "v net-update lab add ip-dhcp-host '<host mac=\"52:54:00:00:02:06\" ip=\"10.44.11.33\"/>' --parent-index 1",
	"v net-update lab add ip-dhcp-range '<range start=\"10.44.11.50\" end=\"10.44.11.60\"/>' --live --config", "v net-update lab delete ip-dhcp-range '<range start=\"10.44.11.50\" end=\"10.44.11.60\"/>'",
	"v net-update lab add ip-dhcp-range '<range start=\"10.44.11.150\" end=\"10.44.11.160\"/>'", "v net-update lab modify ip-dhcp-range '<range start=\"10.44.11.50\" end=\"10.44.11.61\"/>'",
	"v net-update lab add ip-dhcp-range '<range start=\"10.44.12.50\" end=\"10.44.12.60\"/>'",
	"v net-update lab add dns-host '<host ip=\"10.44.11.6\"><hostname>six</hostname></host>' --live --config", "v net-update lab add dns-host '<host ip=\"10.44.11.6\"><hostname>six</hostname></host>'",
	"v net-update lab modify dns-host '<host ip=\"10.44.11.6\"><hostname>seven</hostname></host>'", "v net-update lab delete dns-host '<host ip=\"10.44.11.6\"/>'", "v net-update lab delete dns-host '<host><hostname>none</hostname></host>'",
	"v net-update lab add dns-txt '<txt name=\"a\" value=\"b\"/>'", "v net-update lab add dns-txt '<txt name=\"a\" value=\"c\"/>'", "v net-update lab delete dns-txt '<txt name=\"a\"/>'", "v net-update lab modify dns-txt '<txt name=\"a\" value=\"d\"/>'",
	"v net-update lab add dns-srv '<srv service=\"ldap\" protocol=\"tcp\" target=\"t\" port=\"389\"/>'", "v net-update lab add dns-srv '<srv service=\"ldap\" protocol=\"tcp\" target=\"t\" port=\"389\"/>'", "v net-update lab delete dns-srv '<srv service=\"ldap\" protocol=\"tcp\"/>'", "v net-update lab modify dns-srv '<srv service=\"x\"/>'",
	"v net-update lab add portgroup '<portgroup name=\"fast\"/>'", "v net-update lab add portgroup '<portgroup name=\"fast\"/>'", "v net-update lab modify portgroup '<portgroup name=\"fast\"><vlan><tag id=\"4\"/></vlan></portgroup>'", "v net-update lab modify portgroup '<portgroup name=\"fast\" default=\"yes\"/>'", "v net-update lab add portgroup '<portgroup name=\"more\" default=\"yes\"/>'", "v net-update lab delete portgroup '<portgroup name=\"fast\"/>'", "v net-update lab delete portgroup '<portgroup name=\"fast\"/>'",
	"v net-update lab add forward-interface '<interface dev=\"eth7\"/>'", "v net-update lab delete forward-interface '<interface dev=\"eth7\"/>'", "v net-update lab delete forward-interface '<interface dev=\"eth8\"/>'",
	"v net-update lab modify forward '<forward mode=\"route\"/>'", "v net-update lab modify bridge '<bridge name=\"x\"/>'", "v net-update lab modify domain '<domain name=\"x\"/>'", "v net-update lab add ip '<ip address=\"10.1.1.1\"/>'", "v net-update lab add forward-pf '<pf dev=\"eth0\"/>'",
	"v net-update lab add nonsense '<x/>'", "v net-update lab replace dns-host '<x/>'", "v net-update lab add dns-host", "v net-update lab add dns-host '<host ip=\"10.44.11.7\"><hostname>z</hostname></host>' --current --live",
	"v net-update lab add dns-host '<host ip=\"10.44.11.7\"><hostname>z</hostname></host>' --config --parent-index 3", "v net-update lab add dns-host '<host ip=\"10.44.11.300\"><hostname>z</hostname></host>'",
	"v net-dumpxml lab", "v net-dumpxml lab --inactive",

	// Ports.
	"v net-port-list lab", "v net-port-create lab /run/port.xml", "v net-port-create lab /run/port.xml", "v net-port-create lab --validate /run/port2.xml",
	"v net-port-create lab /run/badport.xml", "v net-port-create lab --validate /run/oddport.xml", "v net-port-create lab /run/none.xml", "v net-port-create lab /run/floorport.xml", "v net-port-create lab /run/plugport.xml",
	"v net-port-list lab", "v net-port-list lab --uuid", "v net-port-list lab --table", "v net-port-list lab --uuid --table", "v -q net-port-list lab",
	"v net-port-dumpxml lab 00000000-0000-4000-8000-000000000091", "v net-port-dumpxml lab 00000000-0000-4000-8000-000000000092", "v net-port-dumpxml lab --port 00000000-0000-4000-8000-000000000092 --xpath //plug",
	"v net-port-dumpxml lab 00000000-0000-4000-8000-000000000099", "v net-port-dumpxml lab nonsense", "v net-dumpxml lab", "v net-dumpxml lab --inactive",
	"v -r net-port-list lab", "v -r net-port-delete lab 00000000-0000-4000-8000-000000000091", "v net-port-delete lab 00000000-0000-4000-8000-000000000091", "v net-port-delete lab 00000000-0000-4000-8000-000000000091", "v net-port-list lab",
	"v net-dumpxml lab",

	// Events.
	"v net-event --list", "v net-event", "v net-event --event nonsense", "v net-event --event lifecycle --timeout 1", "v net-event --event metadata-change --timeout 1 --network lab",
	`v net-event --event lifecycle --loop --timeout 12 >/run/said & sleep 2; v net-define /run/ev.xml; v net-start ev; v net-define /run/ev.xml; v net-destroy ev; v net-start ev; v net-undefine ev; v net-destroy ev; v net-create /run/ev.xml; v net-destroy ev; wait; cat /run/said`,
	`v net-event --event metadata-change --loop --timeout 8 >/run/said & sleep 2; v net-desc lab --live x; v net-desc lab --config --title y; v net-metadata lab http://example.org/l --key l --set '<m/>'; v net-metadata lab http://example.org/l --remove; wait; cat /run/said`,
	`v net-event --event lifecycle --network lab --loop --timeout 8 >/run/said & sleep 2; v net-create /run/ev.xml; v net-destroy ev; v net-update lab add dns-txt '<txt name="e" value="b"/>'; v net-autostart lab; wait; cat /run/said`,

	// Ends.
	"v net-undefine lab", "v net-info lab", "v net-list", "v net-autostart lab", "v net-undefine lab", "v net-list --transient", "v net-dumpxml lab --inactive", "v net-desc lab --config", "v net-desc lab --config x", "v net-update lab add dns-txt '<txt name=\"f\" value=\"b\"/>' --config",
	"v net-define /run/lab.xml", "v net-info lab", "v net-undefine lab", "v net-destroy lab", "v net-destroy lab", "v net-list --all",
	"v net-create /run/lab.xml", "v net-info lab", "v net-dumpxml lab", "v net-destroy lab", "v net-list --all",
	"v net-define /run/direct.xml", "v net-start direct", "v net-info direct", "v net-dumpxml direct", "v net-port-create direct /run/port.xml", "v net-port-dumpxml direct 00000000-0000-4000-8000-000000000091", "v net-dumpxml direct", "v net-port-create direct /run/port2.xml", "v net-port-list direct", "v net-dhcp-leases direct", "v net-destroy direct", "v net-undefine direct",
	"v net-define /run/onbridge.xml", "v net-start onbridge", "v net-info onbridge", "v net-dumpxml onbridge", "v net-port-create onbridge /run/port.xml", "v net-port-dumpxml onbridge 00000000-0000-4000-8000-000000000091", "v net-destroy onbridge", "v net-undefine onbridge",
	"v net-port-list onbridge", "v uri", "v nonsense", "v net-start", "v net-start a b", "v net-start --x a", "v net-event --timeout x --event lifecycle",
}

// ownWords are the commands that are refused as by libvirt, in other words.
var ownWords = map[string]bool{
	"v net-define /run/bad.xml":            true, // we say where
	"v net-define --validate /run/odd.xml": true, // libvirt prints what its XML library says
	"v net-create --validate /run/odd.xml": true,
	"v net-update lab add dns-host '<host ip=\"10.44.11.300\"><hostname>z</hostname></host>'":  true, // we say what is invalid
	"v net-update lab add ip-dhcp-host '<host mac=\"52:54:00:00:02:02\" ip=\"10.44.11.15\"/>'": true, // libvirt says (null)
	"v net-update lab add ip-dhcp-host '<host mac=\"52:54:00:00:02:09\" ip=\"10.44.11.12\"/>'": true,
	"v net-port-create lab --validate /run/oddport.xml":                                        true,
}

// verbFiles are the files that verbs names.
func verbFiles() map[string]string {
	port := func(id int, rest string) string {
		return fmt.Sprintf(`<networkport><uuid>00000000-0000-4000-8000-0000000000%d</uuid><owner><name>dom</name><uuid>00000000-0000-4000-8000-0000000000aa</uuid></owner><mac address='52:54:00:00:03:%d'/>%s</networkport>`, id, id, rest)
	}
	return map[string]string{
		"lab": plain("lab", 11), "lab2": strings.Replace(plain("lab", 11), "example.org'", "example.com'", 1),
		"bad": "<network><name>bad</name><ip address='nonsense'/></network>", "odd": strings.Replace(plain("odd", 12), "<forward", "<odd/><forward", 1),
		"renamed": plain("renamed", 11), "sameid": plain("other", 11), "samename": strings.Replace(plain("lab", 13), "A title", "B title", 1),
		"samebridge": strings.Replace(plain("samebridge", 14), "br14", "br11", 1), "ev": plain("ev", 15),
		"host": "<host mac='52:54:00:00:02:05' ip='10.44.11.15'/>",
		"port": port(91, ""), "port2": port(92, "<group>slow</group>"), "badport": "<networkport><mac address='x'/></networkport>", "oddport": port(93, "<odd/>"),
		"floorport": port(94, "<bandwidth><inbound floor='10'/></bandwidth>"), "plugport": port(95, "<plug type='network' bridge='nothere'/>"),
		"direct":   "<network><name>direct</name><uuid>00000000-0000-4000-8000-000000000016</uuid><forward mode='bridge'><interface dev='pool0'/><interface dev='pool1'/></forward></network>",
		"onbridge": "<network><name>onbridge</name><uuid>00000000-0000-4000-8000-000000000017</uuid><forward mode='bridge'/><bridge name='other0'/></network>",
	}
}

func TestModernVirshSaysOfUsWhatItSaysOfLibvirt(t *testing.T) {
	p := newPair(t)
	for name, doc := range verbFiles() {
		p.file(t, "/run/"+name+".xml", doc)
	}
	p.script(t, "ip link add other0 type bridge; ip link add pool0 type dummy; ip link add pool1 type dummy")
	for _, verb := range verbs {
		p.same(t, verb, ownWords[verb])
	}
	t.Logf("%d commands", len(verbs))
}
