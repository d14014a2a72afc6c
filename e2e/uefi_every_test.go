//go:build boot

package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// The other ways than TestUEFIBoots'.
func TestUEFIBootsInEveryWay(t *testing.T) {
	t.Parallel()
	bootAll(t, []firmware{
		{"x64-pxe6", lab.X64, lab.PXE6, "x64.efi"},
		{"x64-http6", lab.X64, lab.HTTP6, "x64-http.efi"},
		{"arm64-pxe4", lab.ARM64, lab.PXE4, "arm64.efi"},
		{"arm64-pxe6", lab.ARM64, lab.PXE6, "arm64.efi"},
		{"arm64-http4", lab.ARM64, lab.HTTP4, "arm64-http.efi"},
		{"arm64-http6", lab.ARM64, lab.HTTP6, "arm64-http.efi"},
	})
}

// A computer of today without a disk: its firmware gets iPXE from us, which is
// told by its user class to go on with a script, and so boots a kernel.
func TestUEFIBootsLinuxByWayOfIPXE(t *testing.T) {
	t.Parallel()
	s, root := bootSite(t, "192.168.66.1")
	s.BootFiles(t, root, "diskless", []string{"www.example.net", "diskless"}, "www.example.net")
	ipxe, err := os.ReadFile("/usr/lib/ipxe/snponly.efi")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "x64.efi"), ipxe, 0o644); err != nil {
		t.Fatal(err)
	}
	vm := s.UEFI(t, "virbr6", lab.X64, lab.PXE4)
	if !vm.Says(t, "\nPASS\r", 4*time.Minute) {
		t.Errorf("the guest's console:\n%s", vm.Log())
	}
}
