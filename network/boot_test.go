package network

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/tftp"
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
