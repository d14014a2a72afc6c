package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

const attachmentSuffix = ".json"

func (d Dir) attachment(id xmlnet.UUID) string {
	return filepath.Join(d.Attached, id.String()+attachmentSuffix)
}

// Attachments reads the links of guests that are ports without libvirt. As with
// Definitions, unreadable files are named in the error beside what could be
// read.
func (d Dir) Attachments() ([]port.Attachment, error) {
	entries, err := os.ReadDir(d.Attached)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list attached links: %w", err)
	}
	var found []port.Attachment
	var errs []error
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), attachmentSuffix)
		if !ok || strings.HasPrefix(id, ".") {
			continue
		}
		a, err := readAttachment(filepath.Join(d.Attached, e.Name()), id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found = append(found, a)
	}
	return found, errors.Join(errs...)
}

func readAttachment(path, id string) (port.Attachment, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return port.Attachment{}, err
	}
	a, err := port.ParseAttachment(text)
	if err == nil && a.UUID.String() != id {
		err = errors.New("it is not the one that its name says")
	}
	if err != nil {
		return a, fmt.Errorf("read %s: %w", path, err)
	}
	return a, nil
}

// SaveAttachment records a, replacing what is known of the same port.
func (d Dir) SaveAttachment(a *port.Attachment) error {
	text, err := a.Marshal()
	if err != nil {
		return fmt.Errorf("record link %s: %w", a.Link, err)
	}
	path := d.attachment(a.UUID)
	if err := os.MkdirAll(d.Attached, 0o700); err != nil {
		return fmt.Errorf("record link %s: %w", a.Link, err)
	}
	return writeFile(path, text, 0o600)
}

// RemoveAttachment forgets one; a missing one is forgotten already.
func (d Dir) RemoveAttachment(id xmlnet.UUID) error { return remove(d.attachment(id)) }
