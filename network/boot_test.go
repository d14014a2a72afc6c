package network

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/tftp"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func (h nsHost) ListenTFTP(link string, addr netip.Addr) (c *tftp.Conn, err error) {
	h.ns.Do(func() { c, err = h.Host.ListenTFTP(link, addr) })
	return c, err
}

func bootDoc(root string) string {
	return `<network><name>boot</name><bridge name='virbr6' stp='off'/><ip address='192.168.66.1' prefix='24'>
<tftp root='` + root + `'/><dhcp><range start='192.168.66.2' end='192.168.66.9'/><bootp file='boot.ipxe'/></dhcp></ip></network>`
}

func TestBootFilesAreServed(t *testing.T) {
	s := newSite(t)
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "boot.ipxe"), []byte("#!ipxe\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.mustStart(bootDoc(root))
	g := s.plug(t, "virbr6")
	g.Run(t, "ip addr add 192.168.66.7/24 dev eth0")
	waitFor(t, g, "curl -s -m 5 tftp://192.168.66.1/boot.ipxe || :", "#!ipxe")
}

func TestMissingBootFilesKeepTheNetworkFromStarting(t *testing.T) {
	s := newSite(t)
	before := s.kernelState()
	root := filepath.Join(t.TempDir(), "missing")
	ref := s.mustDefine(bootDoc(root))
	err := s.Start(context.Background(), ref.UUID)
	if err == nil || !strings.Contains(err.Error(), "TFTP directory "+root+" inaccessible: no such file or directory") {
		t.Errorf("got %v", err)
	}
	if after := s.kernelState(); after != before {
		t.Errorf("the failed start left\n%s\nbefore it was\n%s", after, before)
	}
}

const bootFiles = `<file class='iPXE' name='http://192.0.2.9/menu.ipxe'/>
<file arch='x64-http' name='http://192.0.2.9/ipxe.efi'/>
<file arch='x64-efi' name='ipxe.efi'/><file arch='arm64-efi' name='arm64.efi'/>
<file arch='bios' name='undionly.kpxe' server='192.0.2.8'/>`

// offered is what DHCP tells a computer of a kind, by udhcpc's options, to boot.
func offered(t *testing.T, g *kerneltest.NS, kind string) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "script")
	text := "#!/bin/sh\n[ \"$1\" != bound ] || echo \"$siaddr $boot_file $vendor\"\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(g.Run(t, "udhcpc -f -q -n -i eth0 -O 60 -s "+script+" "+kind+" 2>/dev/null"))
}

func TestComputersBootWhatTheirKindIsFor(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(bootDoc(t.TempDir()))
	g := s.plug(t, "virbr6")
	if got, want := offered(t, g, "-x 0x5d:0000"), "192.168.66.1 boot.ipxe"; got != want {
		t.Errorf("before: %q, want %q", got, want)
	}
	set := func(files string) error {
		text, key, uri := "<boot>"+files+"</boot>", "vnetmgr", xmlnet.BootNamespace
		return s.SetMetadata(ref.UUID, Metadata{Type: Element, Text: &text, Key: &key, URI: &uri}, AffectLive|AffectConfig)
	}
	if err := set("<file name='a' arch='z80'/>"); err == nil || !strings.Contains(err.Error(), "metadata/boot/file[1]: unknown arch 'z80'") {
		t.Errorf("nonsense: %v", err)
	}
	if err := set(bootFiles); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	want := map[string]string{
		"":                              "192.168.66.1 boot.ipxe",
		"-x 0x5d:0000":                  "192.0.2.8 undionly.kpxe",
		"-x 0x5d:0007":                  "192.168.66.1 ipxe.efi",
		"-x 0x5d:0009":                  "192.168.66.1 ipxe.efi",
		"-x 0x5d:000b":                  "192.168.66.1 arm64.efi",
		"-x 0x5d:0006":                  "192.168.66.1 boot.ipxe",
		"-x 0x5d:0000 -x 0x4d:69505845": "192.168.66.1 http://192.0.2.9/menu.ipxe",
		"-x 0x5d:0010 -V HTTPClient:Arch:00016:UNDI:003001": "192.168.66.1 http://192.0.2.9/ipxe.efi HTTPClient",
	}
	for kind := range want {
		got[kind] = offered(t, g, kind)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
