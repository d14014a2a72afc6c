package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Port files are replaced whole, but not synced: they need not outlive the
// boot, only the daemon.

// portDir is where the ports of the active network called name are:
// NAME/ports, as libvirt has it.
func (d Dir) portDir(name string) (string, error) {
	if name == "" || name == "." || name == ".." {
		return "", fmt.Errorf("ports of network %q: the name cannot be a directory's", name)
	}
	return filepath.Join(d.Run, name, "ports"), nil
}

// Ports reads the ports of the active network called name. As with
// Definitions, unreadable files are named in the error beside what could be
// read.
func (d Dir) Ports(name string) ([]port.Port, error) {
	dir, err := d.portDir(name)
	if err != nil {
		return nil, nil // SavePort never saved any
	}
	found, err := names(dir)
	if err != nil {
		return nil, fmt.Errorf("list ports: %w", err)
	}
	var ports []port.Port
	var errs []error
	for _, id := range found {
		p, err := readPort(filepath.Join(dir, id+".xml"), id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ports = append(ports, p)
	}
	return ports, errors.Join(errs...)
}

func readPort(path, id string) (port.Port, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return port.Port{}, err
	}
	p, _, err := port.Parse(text, false)
	if err != nil {
		return port.Port{}, fmt.Errorf("read %s: %w", path, err)
	}
	if p.UUID.String() != id || p.Plug.Kind == port.NoPlug {
		return port.Port{}, fmt.Errorf("read %s: it is not the port that its name says, or has no plug", path)
	}
	return p, nil
}

// SavePort records a port of the active network called name.
func (d Dir) SavePort(name string, p *port.Port) error {
	dir, err := d.portDir(name)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, p.UUID.String()+".xml")
	text := append([]byte(portWarning), p.Format()...)
	unsynced := func(*os.File) error { return nil }
	err = replaceFile(path, text, 0o600, unsynced)
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { // the network's first port
		return fmt.Errorf("make port directory: %w", err)
	}
	return replaceFile(path, text, 0o600, unsynced)
}

const portWarning = `<!--
WARNING: vnetmgr wrote this file and will write it again: what is edited here
by hand may be lost.
-->

`

// RemovePort forgets a port of the network called name; a missing one is
// forgotten already.
func (d Dir) RemovePort(name string, id xmlnet.UUID) error {
	dir, err := d.portDir(name)
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, id.String()+".xml")); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// RemovePorts forgets all ports of the network called name.
func (d Dir) RemovePorts(name string) error {
	dir, err := d.portDir(name)
	if err != nil {
		return nil // SavePort never saved any
	}
	if err := os.RemoveAll(dir); err != nil && !errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("remove ports: %w", err)
	}
	// Anything that somebody else put beside the ports stays.
	_ = syscall.Rmdir(filepath.Dir(dir))
	return nil
}
