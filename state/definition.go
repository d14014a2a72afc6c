package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Definition is a persistent network as found on disk.
type Definition struct {
	Network   *xmlnet.Network
	Autostart bool
	// Warnings name what the file holds that is not network XML.
	Warnings []xmlnet.Warning
}

// Definitions reads every definition. Files that cannot be used are named in
// the error, one by one, beside those that can: one bad file does not hide
// the rest.
func (d Dir) Definitions() ([]Definition, error) {
	found, err := names(d.Config)
	if err != nil {
		return nil, fmt.Errorf("list definitions: %w", err)
	}
	var defs []Definition
	var errs []error
	for _, name := range found {
		def, err := d.readDefinition(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", d.definition(name), err))
			continue
		}
		defs = append(defs, def)
	}
	return defs, errors.Join(errs...)
}

func (d Dir) readDefinition(name string) (Definition, error) {
	text, err := os.ReadFile(d.definition(name))
	if err != nil {
		return Definition{}, err
	}
	n, warnings, err := xmlnet.Parse(text)
	if err != nil {
		return Definition{}, err
	}
	if n.Name != name {
		return Definition{}, fmt.Errorf("the file's name does not match the network's, %q", n.Name)
	}
	_, err = os.Stat(d.autostart(name))
	return Definition{Network: n, Autostart: err == nil, Warnings: warnings}, nil
}

// SaveDefinition makes n persistent, replacing an earlier definition of that
// name.
func (d Dir) SaveDefinition(n *xmlnet.Network) error {
	text := append(warning(n), n.Format(xmlnet.FormatOptions{Inactive: true})...)
	return writeFile(d.definition(n.Name), text, 0o600)
}

// warning is the comment that libvirt puts in front of a definition.
func warning(n *xmlnet.Network) []byte {
	return fmt.Appendf(nil, `<!--
WARNING: vnetmgr wrote this file and will write it again: what is edited here
by hand may be lost. Change the network with
  vnetmgr net-edit %s
or another program that speaks libvirt's API.
-->

`, shellName(n))
}

// shellName is how a shell can name n: by name, or by UUID when the name has
// characters that a shell or an XML comment would trip over.
func shellName(n *xmlnet.Network) string {
	for _, r := range n.Name {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.+:@", r)
		if !plain && r != '-' {
			return n.UUID.String()
		}
	}
	if strings.Contains(n.Name, "--") || strings.HasPrefix(n.Name, "-") || strings.HasSuffix(n.Name, "-") {
		return n.UUID.String()
	}
	return n.Name
}

// RemoveDefinition makes the network called name transient: its definition
// and autostart link are gone.
func (d Dir) RemoveDefinition(name string) error {
	return errors.Join(remove(d.autostart(name)), remove(d.definition(name)))
}

// SetAutostart links or unlinks the network called name; doing it twice is
// doing it once.
func (d Dir) SetAutostart(name string, on bool) error {
	link := d.autostart(name)
	if !on {
		return remove(link)
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		return fmt.Errorf("make autostart directory: %w", err)
	}
	err := os.Symlink(d.definition(name), link)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("autostart %s: %w", name, err)
	}
	return syncDir(filepath.Dir(link))
}
