package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/firewalld"
	"github.com/vnetmgr/vnetmgr/internal/systembus"
	"github.com/vnetmgr/vnetmgr/journal"
	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/resolved"
	"github.com/vnetmgr/vnetmgr/state"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Config is where a Manager keeps and finds things.
type Config struct {
	Dir state.Dir
	// LeaseFile is the store of all networks' leases. The file server-duid
	// beside it has what the DHCPv6 servers are called.
	LeaseFile string
	// JournalFile keeps who had which address when, in at most JournalRecords
	// records; "" or 0 keeps nothing.
	JournalFile    string
	JournalRecords int
	// StatusDir gets BRIDGE.status, the lease file that libvirt and its NSS
	// modules read; "" writes none.
	StatusDir string
	// ResolvConf and Hosts are the host's /etc/resolv.conf and /etc/hosts.
	ResolvConf string
	Hosts      string
	// Hook is the script that is run at the steps of a network's life, with
	// those in the directory Hook+".d"; "" runs none.
	Hook string
	// Sysfs is where sysfs is mounted, "" for /sys.
	Sysfs string
	// QueryRate is how many DNS queries a second one guest may have forwarded,
	// 0 for any number.
	QueryRate int
	// NetnsEtc is where ip-netns(8) has files for namespaces, "/etc/netns"; "" is
	// nowhere.
	NetnsEtc string
	// Virtnetworkd says that Dir is also libvirt's network daemon's, which may
	// have used it until now: what it left running is taken over.
	Virtnetworkd bool
	// SystemBus is the D-Bus address where firewalld and systemd-resolved are
	// looked for; "" is nowhere.
	SystemBus string
	// RegisterDomains has systemd-resolved, where it runs, ask every network's
	// resolver for the network's names.
	RegisterDomains bool
	// AdmitGuests has Docker's and ufw's rules let guests through.
	AdmitGuests bool
}

// Manager holds every network and is the only one to change the host.
type Manager struct {
	cfg      Config
	host     Host
	log      *slog.Logger
	resolver *dns.Resolver
	events   broker
	macs     *macFiles
	// unadmitted holds a token while guests are yet to be let through other
	// programs' rules.
	unadmitted chan struct{}
	watch      portWatch
	// hostsRead counts how often the host's hosts file was read.
	hostsRead atomic.Uint64
	guests    guests

	bus       *systembus.Bus
	firewalld *firewalld.Client
	resolved  *resolved.Client

	// change is held by whoever changes networks, for as long as disk and
	// kernel take: changes happen one after the other.
	change sync.Mutex
	// mu guards the fields below and every entry. It is held for moments
	// only, so that reading never waits for the kernel; writing takes change
	// as well.
	mu   sync.RWMutex
	byID map[xmlnet.UUID]*entry
	// attached is replaced whole.
	attached attachments

	leases *lease.Store // set by Run
	duid   []byte       // set by Run
	// journal is set by Run; nil: no history is kept.
	journal *journal.Journal
	ctx     context.Context // of Run: servers live as long as it
}

// New returns a Manager of the networks on host. It does nothing until Run.
func New(log *slog.Logger, host Host, cfg Config) *Manager {
	bus := systembus.New(cfg.SystemBus)
	m := &Manager{
		cfg: cfg, host: host, log: log,
		bus: bus, firewalld: firewalld.New(bus), resolved: resolved.New(bus),
		byID: make(map[xmlnet.UUID]*entry),
		macs: newMACFiles(),
	}
	m.resolver = dns.NewResolver(log, dns.ResolverConfig{
		ResolvConf: cfg.ResolvConf, Hosts: cfg.Hosts,
		HostsChanged: func() { // guests' names may be the host's now, or no more
			m.hostsRead.Add(1)
			m.watch.changed("")
		},
	})
	return m
}

// List returns every network, sorted by name.
func (m *Manager) List() []Info {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := make([]Info, 0, len(m.byID))
	for _, e := range m.byID {
		all = append(all, e.info())
	}
	slices.SortFunc(all, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// LookupName finds a network by its name (ErrNotFound).
func (m *Manager) LookupName(name string) (Info, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if e := m.find(name); e != nil {
		return e.info(), nil
	}
	return Info{}, &Error{Kind: ErrNotFound, Text: fmt.Sprintf("no network with matching name '%s'", name)}
}

// LookupUUID finds a network by its UUID (ErrNotFound).
func (m *Manager) LookupUUID(id xmlnet.UUID) (Info, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e, err := m.lookup(id)
	if err != nil {
		return Info{}, err
	}
	return e.info(), nil
}

// XML returns the definition in force, or with inactive the one on disk (of a
// transient network, the one in force).
func (m *Manager) XML(id xmlnet.UUID, inactive bool) (string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e, err := m.lookup(id)
	if err != nil {
		return "", err
	}
	n := e.current()
	if inactive && e.config != nil {
		n = e.config
	}
	o := xmlnet.FormatOptions{Inactive: inactive || e.live == nil}
	o.Connections, o.IfConnections = e.ports.connections()
	return string(n.Format(o)), nil
}

// Leases returns the leases of a network that have not ended, of one MAC
// address if mac is not empty (ErrInvalidMAC). A network need not be active.
func (m *Manager) Leases(id xmlnet.UUID, mac string) ([]Lease, error) {
	m.mu.RLock()
	e, err := m.lookup(id)
	if err != nil {
		m.mu.RUnlock()
		return nil, err
	}
	n, table := e.current(), e.leases
	m.mu.RUnlock()

	want, err := parseMAC(mac)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var found []Lease
	for _, l := range table.Leases() {
		if !l.Expired(now) && (want == nil || slices.Equal(want, l.MAC)) {
			found = append(found, Lease{Lease: l, Link: n.Bridge.Name, PrefixLen: prefixLen(n, l)})
		}
	}
	return found, nil
}

func parseMAC(text string) (net.HardwareAddr, error) {
	if text == "" {
		return nil, nil
	}
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		return nil, &Error{Kind: ErrInvalidMAC, Text: fmt.Sprintf("invalid MAC address: %s", text)}
	}
	return mac, nil
}

// prefixLen is the length of the network's subnet that l lies in.
func prefixLen(n *xmlnet.Network, l lease.Lease) int {
	for _, ip := range n.IPs {
		if ip.Prefix.Contains(l.Addr) {
			return ip.Prefix.Bits()
		}
	}
	return l.Addr.BitLen()
}

// Subscribe returns the events from now on, in order, until cancel is called.
// A subscriber that does not read loses nothing and delays nobody.
func (m *Manager) Subscribe() (events <-chan Event, cancel func()) { return m.events.subscribe() }

// lookup finds an entry; a lock is held.
func (m *Manager) lookup(id xmlnet.UUID) (*entry, error) {
	if e := m.byID[id]; e != nil {
		return e, nil
	}
	return nil, &Error{Kind: ErrNotFound, Text: fmt.Sprintf("no network with matching uuid '%s'", id)}
}

// find finds an entry by name, nil if there is none; a lock is held.
func (m *Manager) find(name string) *entry {
	for _, e := range m.byID {
		if e.current().Name == name {
			return e
		}
	}
	return nil
}

// add makes the entry of a network that was not known, without its
// definition; m.mu is held.
func (m *Manager) add(n *xmlnet.Network) *entry {
	e := &entry{leases: m.leases.Table(n.UUID.String())}
	m.byID[n.UUID] = e
	return e
}

// forget drops a network that is neither defined nor active, with its leases.
func (m *Manager) forget(e *entry) error {
	defer m.portsChanged(e.current())
	dropErr := m.dropAttached(m.ctx, e)
	ref, bridge := e.ref(), ""
	if n := e.current(); n.Forward.Mode.OwnBridge() {
		bridge = n.Bridge.Name // a bridge that is only named may be another network's
	}
	m.mu.Lock()
	delete(m.byID, ref.UUID)
	m.mu.Unlock()
	return errors.Join(dropErr, m.leases.Drop(ref.UUID.String()), m.removeStatus(bridge))
}
