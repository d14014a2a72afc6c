package domain

import (
	"context"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// keep makes one facade right.
func (f *facades) keep(ctx context.Context, s *session, n Network) error {
	w := f.named(n.Name)
	if w != nil && !w.facade {
		f.tell(n.Name, "libvirt has a network of its own by this name, which is left alone; domains of this libvirt use that one",
			"network "+w.net.Name+" of libvirt is not a facade")
		return nil
	}
	if p := f.kept[n.UUID]; p != nil && f.mourned(p, w) {
		return nil
	}
	w, err := f.define(ctx, s, n, w)
	if err != nil {
		return err
	}
	p := f.kept[n.UUID]
	if err := f.agreeActive(ctx, s, n, w, p); err != nil {
		return err
	}
	if err := f.agreeAutostart(ctx, s, n, w, p); err != nil {
		return err
	}
	delete(f.told, n.Name)
	return nil
}

// mourned reports whether it is too early to put back a facade that somebody
// undefined.
func (f *facades) mourned(p *published, w *shown) bool {
	if w != nil {
		p.gone = time.Time{}
		return false
	}
	if p.gone.IsZero() {
		p.gone = time.Now()
	}
	left := mournTime - time.Since(p.gone)
	if left > 0 {
		f.later(left)
	}
	return left > 0
}

// define stores the facade's definition where it is missing or not what we
// gave: somebody edited or undefined it, or our own network changed.
func (f *facades) define(ctx context.Context, s *session, n Network, w *shown) (*shown, error) {
	p := f.kept[n.UUID]
	doc, wanted, err := f.wanted(n, p)
	if err != nil {
		return nil, refusal(err)
	}
	if p != nil && p.wanted == wanted && w != nil && w.persistent && w.doc == p.got {
		return w, nil
	}
	if p != nil && p.wanted == wanted {
		f.log.Info("facade was undefined or edited, and is put back", "network", n.Name)
	}
	fresh, err := f.publish(ctx, s, wanted, doc)
	if err != nil {
		return nil, err
	}
	if w != nil {
		fresh.active, fresh.autostart = w.active, w.autostart && w.persistent
	}
	stale := w != nil && w.active && (p == nil && w.doc != fresh.doc || p != nil && p.wanted != wanted)
	if p == nil {
		p = &published{}
		f.kept[n.UUID] = p
		f.log.Info("facade published", "network", n.Name, "link", n.Bridge)
	}
	p.source, p.wanted, p.got = doc, wanted, fresh.doc
	f.seen[n.UUID] = fresh
	if stale {
		return fresh, f.restart(ctx, s, fresh)
	}
	return fresh, nil
}

// wanted returns our network's definition and that of its facade.
func (f *facades) wanted(n Network, p *published) (doc, wanted string, err error) {
	if doc, err = f.nets.XML(n.UUID); err != nil {
		return "", "", err
	}
	if p != nil && p.source == doc {
		return doc, p.wanted, nil
	}
	wanted, err = facadeXML(doc, false)
	return doc, wanted, err
}

// refusal makes an error of ours one that is about this network only.
func refusal(err error) error {
	return libvirt.Error{Code: uint32(libvirt.ErrInternalError), Message: err.Error()}
}

// publish defines a facade, with less in it if libvirt wants it so, and reads
// it back.
func (f *facades) publish(ctx context.Context, s *session, wanted, doc string) (*shown, error) {
	net, err := get(ctx, s, func() (libvirt.Network, error) { return s.virt.NetworkDefineXML(wanted) })
	if err != nil && isRefusal(err) {
		bare, bareErr := facadeXML(doc, true)
		if bareErr != nil || bare == wanted {
			return nil, err
		}
		f.log.Warn("libvirt takes the facade only without bandwidth and VLANs of its portgroups", "err", err)
		net, err = get(ctx, s, func() (libvirt.Network, error) { return s.virt.NetworkDefineXML(bare) })
	}
	if err != nil {
		return nil, err
	}
	got, err := s.networkXML(ctx, net)
	if err != nil {
		return nil, err
	}
	return &shown{net: net, facade: true, doc: got, persistent: true}, nil
}

// restart makes a new definition the one in force. Guests do not notice: the
// bridge and what is on it is ours.
func (f *facades) restart(ctx context.Context, s *session, w *shown) error {
	if err := s.do(ctx, func() error { return s.virt.NetworkDestroy(w.net) }); err != nil {
		return err
	}
	return s.do(ctx, func() error { return s.virt.NetworkCreate(w.net) })
}

// agreeActive brings our network and its facade to the same state. Whichever
// changed since they agreed is followed; ours, if it is not known which.
func (f *facades) agreeActive(ctx context.Context, s *session, n Network, w *shown, p *published) error {
	if n.Active != w.active {
		if p.known && n.Active == p.active {
			return f.followFacade(ctx, s, n, w, p)
		}
		if err := setActive(ctx, s, w, n.Active); err != nil {
			return err
		}
	}
	p.known, p.active = true, n.Active
	return nil
}

func setActive(ctx context.Context, s *session, w *shown, on bool) error {
	w.active = on
	if on {
		return s.do(ctx, func() error { return s.virt.NetworkCreate(w.net) })
	}
	return s.do(ctx, func() error { return s.virt.NetworkDestroy(w.net) })
}

// followFacade does to our network what somebody did to its facade. A facade
// that was started although our network can't be is stopped again.
func (f *facades) followFacade(ctx context.Context, s *session, n Network, w *shown, p *published) error {
	if !w.active {
		f.log.Info("facade was stopped in libvirt: stopping the network", "network", n.Name)
		if err := f.nets.Destroy(ctx, n.UUID); err != nil {
			f.log.Warn("stop the network as its facade", "network", n.Name, "err", err)
		}
		p.active = false
		return nil
	}
	f.log.Info("facade was started in libvirt: starting the network", "network", n.Name)
	if err := f.nets.Start(ctx, n.UUID); err != nil {
		f.log.Error("start the network as its facade", "network", n.Name, "err", err)
		return setActive(ctx, s, w, false)
	}
	p.active = true
	return nil
}

// agreeAutostart does the same for autostart, which has no events: a change
// in libvirt is noticed within half a minute.
func (f *facades) agreeAutostart(ctx context.Context, s *session, n Network, w *shown, p *published) error {
	if n.Autostart != w.autostart {
		if n.Persistent && p.autostartKnown && p.autostart == n.Autostart {
			if err := f.nets.SetAutostart(ctx, n.UUID, w.autostart); err != nil {
				return refusal(err)
			}
			p.autostart = w.autostart
			return nil
		}
		if err := setAutostart(ctx, s, w, n.Autostart); err != nil {
			return err
		}
	}
	p.autostartKnown, p.autostart = true, n.Autostart
	return nil
}

func setAutostart(ctx context.Context, s *session, w *shown, on bool) error {
	w.autostart = on
	var flag int32
	if on {
		flag = 1
	}
	return s.do(ctx, func() error { return s.virt.NetworkSetAutostart(w.net, flag) })
}
