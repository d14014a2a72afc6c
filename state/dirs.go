// Package state keeps what must outlive the daemon in files: definitions,
// autostart links and what is active. Every file is written whole, synced and
// renamed into place, so that a crash leaves the old text or the new.
package state

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Dir is where networks are kept.
type Dir struct {
	// Config holds NAME.xml for each persistent network, and autostart/ with
	// links to those that start with the host.
	Config string
	// Run holds NAME.xml for each active network; it ends with the boot.
	Run string
	// Attached holds UUID.json for each guest's link that is a port without
	// libvirt.
	Attached string
}

func (d Dir) definition(name string) string { return filepath.Join(d.Config, name+".xml") }
func (d Dir) autostart(name string) string {
	return filepath.Join(d.Config, "autostart", name+".xml")
}
func (d Dir) active(name string) string { return filepath.Join(d.Run, name+".xml") }

// Fresh tells whether this host never had a definitions directory.
func (d Dir) Fresh() bool {
	_, err := os.Lstat(d.Config)
	return os.IsNotExist(err)
}

// Make creates the directories that are missing, and removes what a daemon
// left that was killed while it wrote.
func (d Dir) Make() error {
	for _, dir := range []string{d.Config, filepath.Join(d.Config, "autostart"), d.Run, d.Attached} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make state directory: %w", err)
		}
		half, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
		if err != nil {
			return fmt.Errorf("look for half-written files: %w", err)
		}
		for _, path := range half {
			if filepath.Ext(path) == ".xml" {
				continue // of a network that is called so
			}
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("remove a half-written file: %w", err)
			}
		}
	}
	return nil
}

// names lists the NAME of every NAME.xml in dir, sorted; a missing directory
// has none.
func names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".xml"); ok && !e.IsDir() {
			found = append(found, name)
		}
	}
	return found, nil
}
