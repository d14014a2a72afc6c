package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A computer without a disk has all from us: its address, the name of an iPXE
// script, and by TFTP the script, a kernel and a file system.
func TestDisklessGuestBootsFromTFTP(t *testing.T) {
	s := newServiceSite(t)
	root := t.TempDir()
	s.define(t, fmt.Sprintf(`<network><name>boot</name><forward mode='nat'/><bridge name='virbr6' stp='off'/>
<ip address='192.168.66.1' prefix='24'><tftp root='%s'/>
<dhcp><range start='192.168.66.2' end='192.168.66.99'/><bootp file='boot.ipxe'/></dhcp></ip></network>`, root))
	s.BootFiles(t, root, "diskless", []string{"www.example.net", "diskless"}, "www.example.net")
	s.ctl(t, "net-start", "boot")
	said := s.Diskless(t, "virbr6").Said(t)
	if !slices.Contains(said, "PASS") {
		t.Errorf("the guest's console:\n%s", strings.Join(said, "\n"))
	}
	t.Log(strings.Join(said, "\n"))
}
