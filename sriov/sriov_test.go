package sriov

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// card makes a sysfs with one SR-IOV card at 0000:03:00.0, link ens1, whose
// functions have the given links ("" for none).
func card(t *testing.T, links ...string) Sysfs {
	t.Helper()
	root := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pf := filepath.Join(root, "bus/pci/devices/0000:03:00.0")
	must(os.MkdirAll(filepath.Join(root, "class/net/ens1"), 0o755))
	must(os.MkdirAll(pf, 0o755))
	must(os.Symlink("../../../bus/pci/devices/0000:03:00.0", filepath.Join(root, "class/net/ens1/device")))
	for i, link := range links {
		addr := fmt.Sprintf("0000:03:10.%x", i)
		vf := filepath.Join(root, "bus/pci/devices", addr)
		must(os.MkdirAll(vf, 0o755))
		must(os.Symlink("../0000:03:00.0", filepath.Join(vf, "physfn")))
		must(os.Symlink("../"+addr, filepath.Join(pf, fmt.Sprintf("virtfn%d", i))))
		if link != "" {
			must(os.MkdirAll(filepath.Join(vf, "net", link), 0o755))
		}
	}
	return Sysfs(root)
}

func TestVirtualFunctionsAreListedInOrder(t *testing.T) {
	s := card(t, "ens1v0", "", "ens1v2")
	got, err := s.VirtualFunctions("ens1")
	if err != nil {
		t.Fatal(err)
	}
	want := []Function{
		{Address{0, 3, 0x10, 0}, "ens1v0"},
		{Address{0, 3, 0x10, 1}, ""},
		{Address{0, 3, 0x10, 2}, "ens1v2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOtherLinksHaveNoVirtualFunctions(t *testing.T) {
	s := card(t)
	if _, err := os.Stat(filepath.Join(string(s), "class/net/ens1/device")); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"ens1", "eth9", "../net/ens1"} {
		if got, err := s.VirtualFunctions(link); err != nil || len(got) > 0 {
			t.Errorf("%s: %v, %v", link, got, err)
		}
	}
}

func TestBrokenLinkOfAFunctionIsAnError(t *testing.T) {
	s := card(t)
	link := filepath.Join(string(s), "bus/pci/devices/0000:03:00.0/virtfn0")
	if err := os.Symlink("../elsewhere", link); err != nil {
		t.Fatal(err)
	}
	if got, err := s.VirtualFunctions("ens1"); err == nil {
		t.Errorf("got %v", got)
	}
}

func TestOnlyVirtualFunctionsAreOnes(t *testing.T) {
	s := card(t, "ens1v0")
	for addr, want := range map[Address]bool{
		{0, 3, 0x10, 0}: true,
		{0, 3, 0, 0}:    false, // the physical one
		{0, 9, 0, 0}:    false, // not there
	} {
		if got := s.IsVirtualFunction(addr); got != want {
			t.Errorf("%s: got %v", addr, got)
		}
	}
	if got, want := s.DevicePath(Address{1, 2, 3, 4}), string(s)+"/bus/pci/devices/0001:02:03.4"; got != want {
		t.Errorf("path %s, want %s", got, want)
	}
}
