package lab

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModulesLoadAfterWhatTheyNeed(t *testing.T) {
	dep := "kernel/virtio.ko: kernel/ring.ko\nkernel/ring.ko:\nkernel/net.ko: kernel/failover.ko kernel/virtio.ko kernel/ring.ko\nkernel/failover.ko:\nkernel/pci.ko: kernel/virtio.ko kernel/ring.ko\n"
	want := []string{"kernel/ring.ko", "kernel/virtio.ko", "kernel/pci.ko", "kernel/failover.ko", "kernel/net.ko"}
	if diff := cmp.Diff(want, inOrder(dep, []string{"pci", "net"})); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestArchiveIsWhatCpioReads(t *testing.T) {
	var a archive
	a.add("dir", 0o40755, nil)
	a.add("dir/file", 0o100644, []byte("hello"))
	cmd := exec.Command("busybox", "cpio", "-i", "--to-stdout", "dir/file")
	cmd.Stdin = bytes.NewReader(a.end())
	if out, err := cmd.Output(); err != nil || string(out) != "hello" {
		t.Errorf("dir/file is %q, %v", out, err)
	}
}
