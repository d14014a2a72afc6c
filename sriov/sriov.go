// Package sriov reads from sysfs what SR-IOV network cards offer: the virtual
// functions of a physical one, and whether a PCI device is such a function.
package sriov

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Sysfs is where sysfs is mounted: "/sys".
type Sysfs string

// Address is a PCI device's place.
type Address struct {
	Domain   uint32
	Bus      uint8
	Slot     uint8
	Function uint8
}

// String returns the address as the kernel names the device: "0000:03:10.1".
func (a Address) String() string {
	return fmt.Sprintf("%04x:%02x:%02x.%x", a.Domain, a.Bus, a.Slot, a.Function)
}

// parseAddress reads what String prints.
func parseAddress(text string) (Address, error) {
	var a Address
	_, err := fmt.Sscanf(text, "%x:%x:%x.%x", &a.Domain, &a.Bus, &a.Slot, &a.Function)
	if err != nil || a.String() != text {
		return Address{}, fmt.Errorf("%q is not a PCI address", text)
	}
	return a, nil
}

// Function is a virtual function of a network card.
type Function struct {
	Address Address
	// Link is its network interface, "" while the host has none for it: it
	// serves a guest, or no driver is bound to it.
	Link string
}

// DevicePath is the folder of a PCI device, there or not.
func (s Sysfs) DevicePath(a Address) string {
	return filepath.Join(string(s), "bus/pci/devices", a.String())
}

// IsVirtualFunction tells whether a is a virtual function; a device that is
// not there is none.
func (s Sysfs) IsVirtualFunction(a Address) bool {
	_, err := os.Lstat(filepath.Join(s.DevicePath(a), "physfn"))
	return err == nil
}

// VirtualFunctions lists the virtual functions of the physical function whose
// network interface is link, in the card's order: none if there is no such
// link or it is not one of an SR-IOV card.
func (s Sysfs) VirtualFunctions(link string) ([]Function, error) {
	if link != filepath.Base(link) {
		return nil, nil // no link has a name with a slash; it would lead elsewhere
	}
	device := filepath.Join(string(s), "class/net", link, "device")
	var found []Function
	for i := 0; ; i++ {
		target, err := os.Readlink(filepath.Join(device, fmt.Sprintf("virtfn%d", i)))
		if errors.Is(err, fs.ErrNotExist) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list virtual functions of %s: %w", link, err)
		}
		addr, err := parseAddress(filepath.Base(target))
		if err != nil {
			return nil, fmt.Errorf("list virtual functions of %s: %w", link, err)
		}
		name, err := s.link(addr)
		if err != nil {
			return nil, err
		}
		found = append(found, Function{Address: addr, Link: name})
	}
}

// link returns the network interface of a PCI device, "" if it has none.
func (s Sysfs) link(a Address) (string, error) {
	names, err := os.ReadDir(filepath.Join(s.DevicePath(a), "net"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(names) == 0 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find the link of PCI device %s: %w", a, err)
	}
	return names[0].Name(), nil
}
