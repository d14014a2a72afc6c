package xmlnet

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func inBoot(files string) string {
	return inBare(`<metadata><v:boot xmlns:v='` + BootNamespace + `'>` + files + `</v:boot></metadata>`)
}

func TestBootFilesAreReadInOrder(t *testing.T) {
	n := mustParse(t, inBoot(`<v:file class='iPXE' name='http://192.0.2.9/menu.ipxe'/>
		<v:file arch='x64-http' name='http://192.0.2.9/ipxe.efi'/> <!-- then -->
		<file arch='x64-efi' name='ipxe.efi'/><v:file arch='bios' name='undionly.kpxe' server='192.0.2.8'/>`))
	got, err := n.BootFiles()
	if err != nil {
		t.Fatal(err)
	}
	want := []BootFile{
		{Class: "iPXE", Name: "http://192.0.2.9/menu.ipxe"},
		{Archs: []uint16{16}, HTTP: true, Name: "http://192.0.2.9/ipxe.efi"},
		{Archs: []uint16{7, 9}, Name: "ipxe.efi"},
		{Archs: []uint16{0}, Name: "undionly.kpxe", Server: netip.MustParseAddr("192.0.2.8")},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again := mustParse(t, string(n.Format(FormatOptions{})))
	if files, err := again.BootFiles(); err != nil || len(files) != len(want) {
		t.Errorf("printed and read again: %v %v", files, err)
	}
}

func TestNoBootElementIsNoBootFiles(t *testing.T) {
	n := mustParse(t, inBare(`<metadata><other xmlns='urn:x'><file/></other></metadata>`))
	if files, err := n.BootFiles(); err != nil || files != nil {
		t.Errorf("got %v %v", files, err)
	}
}

func TestBootFilesRefuse(t *testing.T) {
	for files, want := range map[string]string{
		`<v:file/>`: "metadata/boot/file[1]: attribute name must have",
		`<v:file name='a'/><v:file name='b' arch='mips'/>`:  "metadata/boot/file[2]: unknown arch 'mips'",
		`<v:file name='a' server='fd00::1'/>`:               "server 'fd00::1' is not an IPv4 address",
		`<v:file name='a' mac='52:54:00:00:00:01'/>`:        "unknown attribute mac",
		`<v:script name='a'/>`:                              "unknown element <script>",
		`<x:file xmlns:x='urn:x' name='a'/>`:                "unknown element <file>",
		`<v:file name='a'><v:x/></v:file>`:                  "unknown element <x>",
		`<v:file name='` + strings.Repeat("a", 128) + `'/>`: "1 to 127 bytes",
	} {
		if _, err := mustParse(t, inBoot(files)).BootFiles(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", files, err, want)
		}
	}
}
