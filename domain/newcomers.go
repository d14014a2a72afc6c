package domain

import (
	"context"
	"log/slog"
	"time"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// settleTime is how long a network of libvirt's must have been left alone
// before it is adopted: virt-manager's wizard defines, starts and marks it for
// autostart, one after the other.
const settleTime = 2 * time.Second

// newcomers notices networks that somebody makes in libvirt's own driver, as
// virt-manager's wizard does.
type newcomers struct {
	log   *slog.Logger
	adopt bool
	begun bool                     // libvirt's networks were looked at
	met   map[xmlnet.UUID]struct{} // those that are new to nobody
	due   map[xmlnet.UUID]newcomer
}

// newcomer is a network that is to be adopted, when it has settled.
type newcomer struct {
	name string
	when time.Time
}

func newNewcomers(log *slog.Logger, adopt bool) *newcomers {
	return &newcomers{log: log, adopt: adopt, met: make(map[xmlnet.UUID]struct{}), due: make(map[xmlnet.UUID]newcomer)}
}

// meet looks at libvirt's networks. Those that are there when we first look
// are the administrator's to adopt, those made since are told of, and with the
// setting adopted.
func (n *newcomers) meet(seen map[xmlnet.UUID]*shown, now time.Time) {
	for id, w := range seen {
		if _, met := n.met[id]; met || w.facade || !w.persistent {
			continue
		}
		n.met[id] = struct{}{}
		def, _, err := xmlnet.Parse([]byte(w.doc))
		if err != nil || !def.Forward.Mode.OwnBridge() {
			continue // nothing for us to do for it
		}
		name := w.net.Name
		n.log.Info("libvirt's own driver has a network that vnetmgr can take over", "network", name, "command", "vnetmgr adopt "+name)
		if n.adopt && n.begun {
			n.due[id] = newcomer{name, now.Add(settleTime)}
		}
	}
	for id := range n.due {
		if seen[id] == nil || seen[id].facade {
			delete(n.due, id)
		}
	}
	n.begun = true
}

// touched says that something happened to a network of libvirt's.
func (n *newcomers) touched(id xmlnet.UUID, now time.Time) {
	if c, ok := n.due[id]; ok {
		n.due[id] = newcomer{c.name, now.Add(settleTime)}
	}
}

// next is when the next one is to be adopted, nil for never.
func (n *newcomers) next(now time.Time) <-chan time.Time {
	var first time.Time
	for _, c := range n.due {
		if first.IsZero() || c.when.Before(first) {
			first = c.when
		}
	}
	if first.IsZero() {
		return nil
	}
	return time.After(first.Sub(now))
}

// take returns the names of those that have settled, and forgets them.
func (n *newcomers) take(now time.Time) (names []string) {
	for id, c := range n.due {
		if !c.when.After(now) {
			names = append(names, c.name)
			delete(n.due, id)
		}
	}
	return names
}

// adoptNewcomers adopts what has settled. What can't be adopted stays
// libvirt's, until somebody adopts it by hand.
func (f *Follower) adoptNewcomers(ctx context.Context) {
	f.work.Lock()
	names := f.newcomers.take(time.Now())
	f.work.Unlock()
	for _, name := range names {
		if _, err := f.Adopt(ctx, name, false); err != nil {
			f.log.Warn("adopt a network made in libvirt", "network", name, "err", err)
		}
	}
}
