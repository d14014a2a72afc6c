package network

import (
	"errors"
	"strings"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// MetadataType is a part of a definition that is only for people and other
// programs, numbered as libvirt's virNetworkMetadataType.
type MetadataType int32

// The kinds of metadata.
const (
	Description MetadataType = iota
	Title
	Element
)

// MetadataChange is an event: a network's metadata was set or deleted.
type MetadataChange struct {
	Type MetadataType
	URI  string // of an Element
}

// Metadata is what to set: nil Text deletes. An Element's Text is XML, whose
// root gets the prefix Key, bound to URI. The others have no Key or URI.
type Metadata struct {
	Type     MetadataType
	Text     *string
	Key, URI *string
}

// check refuses what libvirt's API does.
func (d Metadata) check() error {
	switch d.Type {
	case Title:
		if d.Text != nil && strings.Contains(*d.Text, "\n") {
			return invalidArg("metadata title can't contain newlines")
		}
		fallthrough
	case Description:
		if d.URI != nil || d.Key != nil {
			return invalidArg("a title or description has neither uri nor key")
		}
	case Element:
		if d.URI == nil || *d.URI == "" {
			return invalidArg("uri in virNetworkSetMetadata must not be NULL")
		}
		if d.Text != nil && d.Key == nil {
			return invalidArg("key in virNetworkSetMetadata must not be NULL")
		}
	default:
		return invalidArg("unknown metadata type %d", d.Type)
	}
	return nil
}

// in returns n with d.
func (d Metadata) in(n *xmlnet.Network) (*xmlnet.Network, error) {
	text := ""
	if d.Text != nil {
		text = *d.Text
	}
	switch {
	case d.Type == Title:
		return n.WithTitle(text)
	case d.Type == Description:
		return n.WithDescription(text)
	case d.Text == nil:
		return n.WithoutMetadata(*d.URI), nil
	}
	return n.WithMetadata(*d.Key, *d.URI, text)
}

// SetMetadata sets or deletes a network's metadata, in both definitions or in
// none.
func (m *Manager) SetMetadata(id xmlnet.UUID, d Metadata, a Affect) error {
	if err := d.check(); err != nil {
		return err
	}
	m.change.Lock()
	defer m.change.Unlock()
	e, err := m.lookup(id)
	if err != nil {
		return err
	}
	if a, err = e.affected(a); err != nil {
		return err
	}
	live, config := e.live, e.config
	if a&AffectLive != 0 {
		if live, err = d.in(live); err != nil {
			return err
		}
	}
	if a&AffectConfig != 0 {
		if config, err = d.in(config); err != nil {
			return err
		}
	}
	save := m.saveBoth
	if d.URI != nil && (*d.URI == xmlnet.BootNamespace || *d.URI == xmlnet.DHCPNamespace) {
		save = m.saveBoot
	}
	if err := save(e, live, config); err != nil {
		return err
	}
	change := MetadataChange{Type: d.Type}
	if d.URI != nil {
		change.URI = *d.URI
	}
	m.events.publish(Event{Network: e.ref(), Metadata: &change})
	return nil
}

// saveBoth stores definitions that differ from e's only in what does not
// concern the host.
func (m *Manager) saveBoth(e *entry, live, config *xmlnet.Network) error {
	if config != e.config {
		if err := m.cfg.Dir.SaveDefinition(config); err != nil {
			return err
		}
	}
	if live != e.live {
		if err := e.ports.store(live, e.live); err != nil {
			if config != e.config {
				err = errors.Join(err, m.restoreDefinition(config.Name, e.config))
			}
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e.live, e.config = live, config
	return nil
}

// Metadata returns a network's metadata: of an Element, that of the namespace
// uri (ErrNoMetadata). Of the live definition and the one on disk only one can
// be read.
func (m *Manager) Metadata(id xmlnet.UUID, kind MetadataType, uri string, a Affect) (string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e, err := m.lookup(id)
	if err != nil {
		return "", err
	}
	if a, err = e.affected(a); err != nil {
		return "", err
	}
	n := e.config
	if a&AffectLive != 0 {
		n = e.live
	}
	var text string
	switch kind {
	case Description:
		text = n.Description
	case Title:
		text = n.Title
	case Element:
		text, _ = n.MetadataOf(uri)
	default:
		return "", invalidArg("unknown metadata type %d", kind)
	}
	if text == "" {
		return "", &Error{Kind: ErrNoMetadata, Text: "Requested metadata element is not present"}
	}
	return text, nil
}
