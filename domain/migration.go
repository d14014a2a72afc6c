package domain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/digitalocean/go-libvirt"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// migrationTimeout bounds a call while a network is moved: libvirt starts
// dnsmasq within one.
const migrationTimeout = 60 * time.Second

// migration moves one network between libvirt's own driver and ours, with its
// domains running. Nothing else is done to libvirt meanwhile.
type migration struct {
	*Follower
	s      *session
	theirs *shown   // libvirt's network of the name, nil if it has none
	ours   *Network // ours of the name, nil if there is none
	name   string

	// What the network moves with; status is the content of its lease file.
	doc       string
	id        xmlnet.UUID
	bridge    string
	active    bool
	autostart bool
	status    []byte
}

// Adopt takes a network from libvirt's own driver over to us, with its
// definition, leases, autostart and running domains, and leaves a facade in
// its place. It returns what it did or, with dryRun, would do, a line each.
// When it fails, everything is as it was.
func (f *Follower) Adopt(ctx context.Context, name string, dryRun bool) (plan string, err error) {
	return f.migrate(ctx, name, dryRun, (*migration).adoption)
}

// Release gives a network back to libvirt's own driver, with the definition
// that it had when it was adopted, or ours if it never was.
func (f *Follower) Release(ctx context.Context, name string, dryRun bool) (plan string, err error) {
	return f.migrate(ctx, name, dryRun, (*migration).releasing)
}

func (f *Follower) migrate(ctx context.Context, name string, dryRun bool, planned func(*migration, context.Context) ([]step, error)) (string, error) {
	// The client may go away; half a move is worse than one nobody waits for.
	ctx = context.WithoutCancel(ctx)
	m, err := f.beginMigration(ctx, name)
	if err != nil {
		return "", err
	}
	defer func() { m.s.close() }()
	f.work.Lock()
	defer f.work.Unlock()
	if err := m.look(ctx); err != nil {
		return "", err
	}
	steps, err := planned(m, ctx)
	if err != nil || dryRun {
		return describe(steps), err
	}
	began := time.Now()
	f.newcomers.met[m.id] = struct{}{} // what is released is not adopted again
	err = run(ctx, steps, m.reconnect)
	f.facades.forget()
	f.NetworksChanged()
	if err != nil {
		return "", err
	}
	f.log.Info("network moved", "network", name, "steps", len(steps), "took", time.Since(began))
	return describe(steps), nil
}

func (f *Follower) beginMigration(ctx context.Context, name string) (*migration, error) {
	m := &migration{Follower: f, name: name}
	return m, m.connect(ctx)
}

func (m *migration) connect(ctx context.Context) error {
	driver, socket, err := m.cfg.target()
	if err != nil {
		return err
	}
	if isModular(socket) {
		return fmt.Errorf("libvirt at %s has no network driver of its own", socket)
	}
	m.s, err = connect(ctx, socket, driver, migrationTimeout, func(event) {})
	return err
}

// returnTimeout is how long a libvirt that died is waited for, to take back
// what was done to it.
const returnTimeout = time.Minute

// reconnect connects to libvirt again if it went away.
func (m *migration) reconnect(ctx context.Context) error {
	select {
	case <-m.s.link.done:
	default:
		return nil
	}
	for end := time.Now().Add(returnTimeout); ; {
		s := m.s
		err := m.connect(ctx)
		if err == nil {
			return nil
		}
		m.s = s
		if time.Now().After(end) {
			return fmt.Errorf("libvirt went away and did not come back: %w", err)
		}
		select {
		case <-time.After(firstRetry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look reads what both sides have, and which links are whose.
func (m *migration) look(ctx context.Context) error {
	m.facades.forget()
	if err := m.facades.look(ctx, m.s); err != nil {
		return err
	}
	m.theirs = m.facades.named(m.name)
	for _, n := range m.nets.List() {
		if n.Name == m.name {
			m.ours = &n
		}
	}
	if err := m.list(ctx, m.s); err != nil {
		return err
	}
	return m.refuseStarting(ctx)
}

// refuseStarting refuses to move a network while a domain on it is being
// started: libvirt is about to put its link on a bridge that would go.
func (m *migration) refuseStarting(ctx context.Context) error {
	active, err := m.s.activeDomains(ctx)
	if err != nil {
		return err
	}
	for _, d := range active {
		if !m.isOn(d) {
			continue
		}
		state, reason, err := m.s.state(ctx, d)
		if hasCode(err, libvirt.ErrNoDomain) {
			continue
		}
		if err != nil {
			return err
		}
		if state == libvirt.DomainPaused && reason == libvirt.DomainPausedStartingUp {
			return fmt.Errorf("domain %s on network %s is being started: try again when it runs", d.Name, m.name)
		}
	}
	return nil
}

// isOn reports whether a domain has an interface on the network.
func (m *migration) isOn(d libvirt.Domain) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.byDomain[xmlnet.UUID(d.UUID)], func(i Interface) bool { return i.Network == m.name })
}

// statusPath is the lease file that libvirt and we keep alike.
func (m *migration) statusPath() string { return filepath.Join(m.cfg.StatusDir, m.bridge+".status") }

// keptPath is where the definition is kept that an adopted network had.
func (m *migration) keptPath() string { return filepath.Join(m.cfg.KeepDir, m.id.String()+".xml") }

// attachAll puts the network's domains on its bridge again, also those that
// were started since the move began.
func (m *migration) attachAll(ctx context.Context) error {
	listErr := m.list(ctx, m.s) // without it those that were known are put back
	links := m.linksOf(m.name, m.bridge)
	if len(links) == 0 {
		return listErr
	}
	return errors.Join(listErr, m.cfg.Attach(ctx, m.bridge, links))
}

// restoreStatus writes the lease file again if it is gone: whoever forgets a
// network of that bridge removes it.
func (m *migration) restoreStatus() error {
	if len(m.status) == 0 || exists(m.statusPath()) {
		return nil
	}
	return os.WriteFile(m.statusPath(), m.status, 0o644)
}

// readStatus reads the lease file; one that is missing leaves what was known.
func (m *migration) readStatus() error {
	last, err := os.ReadFile(m.statusPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		m.status = last
	}
	return err
}

// defineTheirs makes the document libvirt's, as it is, and starts it with the
// lease file that it had.
func (m *migration) defineTheirs(ctx context.Context) (libvirt.Network, error) {
	n, err := get(ctx, m.s, func() (libvirt.Network, error) { return m.s.virt.NetworkDefineXML(m.doc) })
	if err != nil {
		return n, err
	}
	var on int32
	if m.autostart {
		on = 1
	}
	return n, m.s.do(ctx, func() error { return m.s.virt.NetworkSetAutostart(n, on) })
}

// startTheirs starts the network in libvirt, unless it is active, and puts
// its domains on it.
func (m *migration) startTheirs(ctx context.Context) error {
	if err := m.restoreStatus(); err != nil {
		return err
	}
	n := libvirt.Network{Name: m.name, UUID: libvirt.UUID(m.id)}
	active, err := get(ctx, m.s, func() (int32, error) { return m.s.virt.NetworkIsActive(n) })
	if err != nil {
		return err
	}
	if active == 0 {
		if err := m.s.do(ctx, func() error { return m.s.virt.NetworkCreate(n) }); err != nil {
			return err
		}
	}
	return m.attachAll(ctx)
}

// stopTheirs stops libvirt's network or the facade; one that is not active is
// stopped.
func (m *migration) stopTheirs(ctx context.Context) error {
	n := libvirt.Network{Name: m.name, UUID: libvirt.UUID(m.id)}
	err := m.s.do(ctx, func() error { return m.s.virt.NetworkDestroy(n) })
	if hasCode(err, libvirt.ErrOperationInvalid) || hasCode(err, libvirt.ErrNoNetwork) {
		return nil
	}
	return err
}

// removeTheirs removes what libvirt has by the name.
func (m *migration) removeTheirs(ctx context.Context) error {
	if err := m.stopTheirs(ctx); err != nil {
		return err
	}
	n := libvirt.Network{Name: m.name, UUID: libvirt.UUID(m.id)}
	err := m.s.do(ctx, func() error { return m.s.virt.NetworkUndefine(n) })
	if hasCode(err, libvirt.ErrOperationInvalid) || hasCode(err, libvirt.ErrNoNetwork) {
		return nil
	}
	return err
}

// startOurs starts our network and puts its domains on it.
func (m *migration) startOurs(ctx context.Context) error {
	if err := m.nets.Start(ctx, m.id); err != nil {
		return err
	}
	return m.attachAll(ctx)
}

// stopOurs stops our network if it is active.
func (m *migration) stopOurs(ctx context.Context) error {
	for _, n := range m.nets.List() {
		if n.UUID == m.id && n.Active {
			return m.nets.Destroy(ctx, m.id)
		}
	}
	return nil
}

// undefineOurs removes our definition if there is one.
func (m *migration) undefineOurs(ctx context.Context) error {
	for _, n := range m.nets.List() {
		if n.UUID == m.id && n.Persistent {
			return m.nets.Undefine(ctx, m.id)
		}
	}
	return nil
}

// giveUpOurs removes our definition but leaves the lease file, which libvirt
// goes on with.
func (m *migration) giveUpOurs(ctx context.Context) error {
	return errors.Join(m.readStatus(), m.undefineOurs(ctx), m.restoreStatus())
}

// showFacade publishes the facade now rather than soon.
func (m *migration) showFacade(ctx context.Context) error {
	m.facades.forget()
	if err := m.facades.reconcile(ctx, m.s); err != nil {
		return err
	}
	// What is wrong with a facade is told until it is right.
	if w, wrong := m.facades.named(m.name), m.facades.told[m.name]; w == nil || !w.facade || wrong != "" {
		return fmt.Errorf("libvirt did not take the facade: %s", wrong)
	}
	return nil
}
