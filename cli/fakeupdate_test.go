package cli

import (
	"strings"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// metaKey is under which a network keeps metadata.
func metaKey(kind int32, uri *string) string {
	if uri == nil {
		return string(rune('0' + kind))
	}
	return *uri
}

func (d *fakeDaemon) getMetadata(a wire.GetMetadataArgs) (any, error) {
	return d.with(a.Network, func(n *fakeNetwork) (any, error) {
		text := n.meta[metaKey(a.Type, a.URI)]
		if a.Type == wire.MetadataTitle && text == "" {
			text = n.title
		}
		if text == "" {
			return nil, refuse(111, "metadata not found: Requested metadata element is not present")
		}
		return text, nil
	})
}

func (d *fakeDaemon) setMetadata(a wire.SetMetadataArgs) (any, error) {
	return d.with(a.Network, func(n *fakeNetwork) (any, error) {
		if a.Flags&wire.AffectLive != 0 && !n.active {
			return nil, refuse(wire.CodeOperationInvalid, "Requested operation is not valid: network is not running")
		}
		text := ""
		if a.Metadata != nil {
			text = *a.Metadata
		}
		if strings.Contains(text, "invalid") {
			return nil, refuse(wire.CodeXMLDetail, "no good")
		}
		if n.meta == nil {
			n.meta = make(map[string]string)
		}
		n.meta[metaKey(a.Type, a.URI)] = text
		d.message(wire.NetworkEventMetadataChange, wire.EventMetadataChange, n, func(callback int32) any {
			return wire.MetadataEvent{CallbackID: callback, Network: n.ref(), Type: a.Type, URI: a.URI}
		})
		return wire.Empty{}, nil
	})
}

func (d *fakeDaemon) update(a wire.UpdateArgs) (any, error) {
	return d.with(a.Network, func(n *fakeNetwork) (any, error) {
		if strings.Contains(a.XML, "invalid") {
			return nil, refuse(wire.CodeXMLError, "XML error: no good")
		}
		n.updates = append(n.updates, a)
		return wire.Empty{}, nil
	})
}

// answerOwn does what a vnetmgr daemon does beyond libvirt.
func (d *fakeDaemon) answerOwn(f wire.Frame) (any, error) {
	if d.foreign {
		return nil, refuse(wire.CodeRPC, "Cannot find program %d version %d", f.Program, f.Version)
	}
	switch f.Proc {
	case wire.OwnPortAttach, wire.OwnPortDetach, wire.OwnPortList:
		return d.answerAttached(f)
	case wire.OwnListAttached, wire.OwnListNeighbours:
		return d.answerWho(f)
	}
	if f.Proc != wire.OwnDefineLive || f.Version != wire.ProgramOwnVersion {
		return nil, refuse(wire.CodeRPC, "unknown procedure: %d", f.Proc)
	}
	return decoded(f, func(a wire.XMLFlagsArgs) (any, error) {
		if !strings.Contains(a.XML, "<name>default</name>") {
			return nil, refuse(wire.CodeOperationInvalid, "Requested operation is not valid: network is not active")
		}
		return d.define(a.XML, false, a.Flags == wire.XMLValidate)
	})
}
