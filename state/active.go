package state

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Active reads the networks that were active when the daemon last ran in this
// boot. As with Definitions, unreadable files are named in the error beside
// what could be read.
func (d Dir) Active() ([]*xmlnet.Network, error) {
	found, err := names(d.Run)
	if err != nil {
		return nil, fmt.Errorf("list active networks: %w", err)
	}
	var active []*xmlnet.Network
	var errs []error
	for _, name := range found {
		n, err := d.readActive(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", d.active(name), err))
			continue
		}
		active = append(active, n)
	}
	return active, errors.Join(errs...)
}

func (d Dir) readActive(name string) (*xmlnet.Network, error) {
	text, err := os.ReadFile(d.active(name))
	if err != nil {
		return nil, err
	}
	doc, err := networkElement(text)
	if err != nil {
		return nil, err
	}
	n, _, err := xmlnet.Parse(doc)
	if err != nil {
		return nil, err
	}
	if n.Name != name {
		return nil, fmt.Errorf("the file's name does not match the network's, %q", n.Name)
	}
	return n, nil
}

// hookTaint is what libvirt notes of a network for which scripts have run.
const hookTaint = "  <taint flag='hook-script'/>\n"

// SaveActive records that n is active, what its ports were promised, and
// whether the administrator's scripts have run for it. The file has the form of
// libvirt's status files, so that virtnetworkd can go on with it.
func (d Dir) SaveActive(n *xmlnet.Network, ports port.PoolState, tainted bool) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<networkstatus>\n  <class_id bitmap='%s'/>\n  <floor sum='%d'/>\n", classBitmap(ports.ClassIDs), ports.FloorSum)
	if tainted {
		b.WriteString(hookTaint)
	}
	// Not indented, as text nodes must come back as they were, and inactive: the
	// devices that a pf stands for are looked up again.
	b.Write(n.Format(xmlnet.FormatOptions{Inactive: true}))
	b.WriteString("</networkstatus>\n")
	return writeFile(d.active(n.Name), b.Bytes(), 0o600)
}

// classBitmap lists the traffic classes in use, of which 0 to 2 always are, as
// libvirt writes bitmaps: "0-3,5".
func classBitmap(ids map[uint32]bool) string {
	used := append(slices.Sorted(maps.Keys(ids)), math.MaxUint32)
	var b strings.Builder
	first, last := uint32(0), uint32(2)
	for _, id := range used {
		if id == last+1 {
			last = id
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, first)
		if last > first {
			fmt.Fprintf(&b, "-%d", last)
		}
		first, last = id, id
	}
	return b.String()
}

// Tainted tells whether scripts had run for an active network when it was last
// recorded.
func (d Dir) Tainted(name string) bool {
	text, err := os.ReadFile(d.active(name))
	_, text, _ = bytes.Cut(text, []byte("<networkstatus"))
	status, _, found := bytes.Cut(text, []byte("<network"))
	return err == nil && found && bytes.Contains(status, []byte("<taint flag='hook-script'/>"))
}

// RemoveActive records that the network called name is not active any more.
func (d Dir) RemoveActive(name string) error { return remove(d.active(name)) }

// FirstStart tells, once per boot, that the daemon has not run before: it is
// when autostart networks are started. It leaves a marker.
func (d Dir) FirstStart() (bool, error) {
	marker := filepath.Join(d.Run, "autostarted")
	f, err := os.OpenFile(marker, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// networkElement cuts the network element out of a status document.
func networkElement(doc []byte) ([]byte, error) {
	dec := xml.NewDecoder(bytes.NewReader(doc))
	for {
		start := dec.InputOffset()
		tok, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("no network element: %w", err)
		}
		if el, ok := tok.(xml.StartElement); ok && el.Name.Local == "network" {
			if err := dec.Skip(); err != nil {
				return nil, err
			}
			return doc[start:dec.InputOffset()], nil
		}
	}
}
