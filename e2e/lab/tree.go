package lab

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// NewHostIn starts a host with another system's programs: tree is a directory
// with its files, as debootstrap makes one. What is written on the host stays
// in memory; the tree is as before. Only devices and the directory for
// temporary files are this computer's.
func NewHostIn(t TB, tree string) *Host {
	t.Helper()
	return &Host{Machine: newMachine(t, "kvmhost", tree)}
}

// moveInto makes a writable view of tree the root directory. Mounts must be
// private to the process.
func moveInto(tree string) error {
	const lab = "/run/.lab"
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if err := makeLayers("/tree"); err != nil {
		return err
	}
	root := lab + "/root"
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	data := fmt.Sprintf("lowerdir=%s,upperdir=%[2]s/tree/upper,workdir=%[2]s/tree/work", tree, lab)
	if err := unix.Mount("overlay", root, "overlay", 0, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", tree, root, err)
	}
	for _, dir := range []string{"/dev", os.TempDir()} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(dir, root+dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("mount %s in %s: %w", dir, tree, err)
		}
	}
	return pivot(root)
}

// pivot makes root the root directory, and lets go of the old one.
func pivot(root string) error {
	old := filepath.Join(root, "mnt")
	if err := unix.PivotRoot(root, old); err != nil {
		return fmt.Errorf("make %s the root directory: %w", root, err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Unmount("/mnt", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the old root directory: %w", err)
	}
	return nil
}
