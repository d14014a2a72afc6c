package network

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/neighbour"
)

// names are what a network's resolver knows: the definition's names and those
// of guests. A guest is called what it calls itself in DHCP, and by its
// domain's name too; each address that it has, from DHCP or of its own making,
// has all its names. Of two that want one name it is, in this order, the
// definition's or the host's, the domain's that is called so, and the guest's
// that DHCP gave it to.
type names struct {
	server    *dns.Server
	log       *slog.Logger
	learned   chan struct{} // holds one token while made has changed
	mu        sync.Mutex    // guards below: all of these change by themselves
	records   *dns.Records
	leases    map[netip.Addr]leased
	made      map[netip.Addr]macKey // addresses of guests' own making: who has them
	guests    map[macKey]*guest
	named     map[netip.Addr]dns.Name // what addresses gave the records
	owners    map[macKey]string       // domains
	domains   map[string][]macKey     // by domain, in lower case
	given     claims                  // what the definition names
	hostsRead uint64                  // as setOwners has it
	tracker   *neighbour.Tracker      // told whose addresses matter; nil where nobody learns any
	told      time.Time               // when the log last said that a name was another's
}

// A macKey is the bytes of a MAC address; there may be none.
type macKey string

func (m macKey) String() string { return net.HardwareAddr(m).String() }

// leased is what a lease says of names.
type leased struct {
	mac      macKey
	hostname string
}

// A guest is what has one MAC address.
type guest struct {
	addrs    []netip.Addr // leases and addresses of its own making, in order
	followed bool
	// host is what it calls itself in DHCP, by the lease of from: the first of
	// its leases that has a name. A guest can have very many.
	host string
	from netip.Addr
}

// newNames returns the names of a resolver, none until reset.
func newNames(log *slog.Logger, server *dns.Server) *names {
	return &names{
		server: server, log: log, leases: make(map[netip.Addr]leased), made: make(map[netip.Addr]macKey),
		guests: make(map[macKey]*guest), named: make(map[netip.Addr]dns.Name), learned: make(chan struct{}, 1),
	}
}

// reset takes the names of a new definition, beside those of the guests.
func (n *names) reset(cfg dns.Config, fixed []dns.Name) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.given = newClaims(cfg, fixed)
	n.records = dns.NewRecords(cfg, fixed)
	clear(n.named)
	n.renameAll()
}

// set takes what became of leases, in order.
func (n *names) set(changes []lease.Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range changes {
		addr := c.Lease.Addr
		old, held := n.leases[addr]
		now := leased{macKey(c.Lease.MAC), c.Lease.Hostname}
		if held && c.Kind == lease.Renewed && old == now {
			continue
		}
		ended := c.Kind == lease.Released || c.Kind == lease.Expired
		if held && (ended || old.mac != now.mac) {
			delete(n.leases, addr)
			n.touch(old.mac, addr, false)
		}
		if !ended {
			n.leases[addr] = now
			n.touch(now.mac, addr, true)
		}
	}
	n.server.SetRecords(n.records)
}

// setMade takes what became of addresses of guests' own making, by the tracker
// that is followed now.
func (n *names) setMade(by *neighbour.Tracker, gone, set []neighbour.Neighbour) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if by != n.tracker {
		return
	}
	for _, g := range gone {
		if mac := macKey(g.MAC[:]); n.made[g.Addr] == mac {
			delete(n.made, g.Addr)
			n.touch(mac, g.Addr, false)
		}
	}
	for _, s := range set {
		mac := macKey(s.MAC[:])
		n.made[s.Addr] = mac
		n.touch(mac, s.Addr, true)
	}
	n.server.SetRecords(n.records)
	select {
	case n.learned <- struct{}{}:
	default:
	}
}

// setOwners takes the domains that have interfaces here now, and how often the
// host's hosts file was read: its names are not guests' to take.
func (n *names) setOwners(owners map[macKey]string, hostsRead uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hostsRead == hostsRead && maps.Equal(n.owners, owners) {
		return
	}
	n.hostsRead = hostsRead
	n.owners, n.domains = owners, make(map[string][]macKey)
	for mac, name := range owners {
		name = strings.ToLower(name)
		n.domains[name] = append(n.domains[name], mac)
	}
	n.renameAll()
}

// The rest is called with the lock held.

// touch notes that a guest has an address now or has it no more, and renames
// all that it has: one address may have its name from another.
func (n *names) touch(mac macKey, addr netip.Addr, has bool) {
	if mac == "" { // a DHCPv6 client need not tell its own
		n.rename(addr)
		return
	}
	g := n.guests[mac]
	if g == nil {
		g = &guest{}
		n.guests[mac] = g
	}
	switch at, there := slices.BinarySearchFunc(g.addrs, addr, netip.Addr.Compare); {
	case has && !there:
		g.addrs = slices.Insert(g.addrs, at, addr)
	case !has && there && n.holder(addr) != mac:
		g.addrs = slices.Delete(g.addrs, at, at+1)
	}
	n.rename(addr)
	// An address of the definition's lets its others have its name.
	if changed := n.rehost(g, addr); (changed || n.given.takes(addr)) && !n.hasMany(mac) {
		for _, a := range g.addrs {
			n.rename(a)
		}
	}
	n.followNamed(mac)
	if len(g.addrs) == 0 && !g.followed {
		delete(n.guests, mac)
	}
}

func (n *names) renameAll() {
	for mac := range n.owners {
		n.followNamed(mac)
	}
	for addr := range n.leases {
		n.rename(addr)
	}
	for addr := range n.made {
		n.rename(addr)
	}
	for mac := range n.guests {
		n.followNamed(mac)
	}
	n.server.SetRecords(n.records)
}

// followNamed has the addresses of a guest learned while it has a name.
func (n *names) followNamed(mac macKey) {
	wanted := n.owners[mac] != "" || n.hostName(mac) != ""
	g := n.guests[mac]
	if n.tracker == nil || (g != nil && g.followed) == wanted {
		return
	}
	if g == nil {
		g = &guest{}
		n.guests[mac] = g
	}
	g.followed = wanted
	n.follow(mac, wanted)
}

// holder is the MAC address of who has an address, "" if nobody does. What
// DHCP says counts more than what a guest says.
func (n *names) holder(addr netip.Addr) macKey {
	if l, held := n.leases[addr]; held {
		return l.mac
	}
	return n.made[addr]
}

// hostName is what a guest calls itself in DHCP.
func (n *names) hostName(mac macKey) string {
	if g := n.guests[mac]; g != nil {
		return g.host
	}
	return ""
}

// rehost finds what a guest calls itself after something became of one of its
// addresses, and tells whether that is another name than before.
func (n *names) rehost(g *guest, addr netip.Addr) bool {
	before := g.host
	_, has := slices.BinarySearchFunc(g.addrs, addr, netip.Addr.Compare)
	l := n.leases[addr]
	switch named := has && l.hostname != ""; {
	case named && (g.host == "" || !g.from.Less(addr)):
		g.host, g.from = l.hostname, addr
	case !named && g.from == addr:
		g.host, g.from = "", netip.Addr{}
		first := func(a netip.Addr) bool { return n.leases[a].hostname != "" }
		if i := slices.IndexFunc(g.addrs, first); i >= 0 {
			g.host, g.from = n.leases[g.addrs[i]].hostname, g.addrs[i]
		}
	}
	return g.host != before
}

// rename gives an address the names of who has it.
func (n *names) rename(addr netip.Addr) {
	want := dns.Name{Addr: addr, Source: "guest", Names: n.namesOf(addr)}
	have, named := n.named[addr]
	if slices.Equal(have.Names, want.Names) {
		return
	}
	var set, del []dns.Name
	if named {
		del = append(del, have)
		delete(n.named, addr)
	}
	if want.Names != nil {
		set = append(set, want)
		n.named[addr] = want
	}
	n.records = n.records.With(set, del)
}

// namesOf are the names of the guest that has an address, the first of them
// the one that the address leads to: what the guest calls itself, and what its
// domain is called. Names that are another's are left out.
func (n *names) namesOf(addr netip.Addr) []string {
	l, held := n.leases[addr]
	mac := n.holder(addr)
	if !held && n.given.takes(addr) {
		return nil // the definition says whose it is
	}
	host, domain := l.hostname, ""
	if !n.hasMany(mac) {
		if domain = n.owners[mac]; host == "" {
			host = n.hostName(mac)
		}
	}
	var all []string
	if host != "" && n.mayHave(host, addr, mac) {
		all = append(all, host)
	}
	if domain != "" && !strings.EqualFold(domain, host) && n.mayHave(domain, addr, mac) {
		all = append(all, domain)
	}
	return all
}

// maxNamed is how many addresses of one guest have its names. Beyond, an
// address has the name that came with its lease, or none: a name with thousands
// of addresses is of no use to anybody, and costs.
const maxNamed = 64

func (n *names) hasMany(mac macKey) bool {
	g := n.guests[mac]
	return g != nil && len(g.addrs) > maxNamed
}

// mayHave tells whether a name of the guest that has addr is not another's,
// and lets the log say so if it is. For another address than the one that the
// definition gives the name to, the guest may have it if it has that one, too.
func (n *names) mayHave(name string, addr netip.Addr, mac macKey) bool {
	if n.server.HostHas(name) {
		return n.giveWay(name, addr, mac, "the host's hosts file has it")
	}
	if n.given.forbid(name, addr) && !n.hasGiven(name, mac) {
		return n.giveWay(name, addr, mac, "the definition has it, or the host")
	}
	if of := n.domains[strings.ToLower(name)]; len(of) > 0 && !slices.Contains(of, mac) {
		return n.giveWay(name, addr, mac, "a domain is called so")
	}
	return true
}

// hasGiven tells whether a guest has a lease of an address that the definition
// gives a name to.
func (n *names) hasGiven(name string, mac macKey) bool {
	g := n.guests[mac]
	if g == nil {
		return false
	}
	for _, a := range g.addrs {
		if _, held := n.leases[a]; held && !n.given.forbid(name, a) {
			return true
		}
	}
	return false
}

// giveWayPause keeps guests from filling the log.
const giveWayPause = time.Minute

func (n *names) giveWay(name string, addr netip.Addr, mac macKey, why string) bool {
	if now := time.Now(); now.Sub(n.told) >= giveWayPause {
		n.told = now
		n.log.Info("a guest's name is not answered", "name", name, "addr", addr, "mac", mac, "because", why)
	}
	return false
}

// forbidden tells whether a name is given to another than addr, or the host's.
func (n *names) forbidden(name string, addr netip.Addr) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.given.forbid(name, addr) || n.server.HostHas(name)
}

// followLeases keeps names in step with the network's leases, until ctx ends.
func followLeases(ctx context.Context, log *slog.Logger, table *lease.Table, n *names) {
	feed := table.Subscribe()
	defer feed.Close()
	var held []lease.Change
	for _, l := range table.Leases() {
		held = append(held, lease.Change{Kind: lease.Added, Lease: l})
	}
	n.set(held)
	for {
		changes, err := feed.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				log.Error("follow leases", "err", err)
			}
			return
		}
		n.set(changes)
	}
}

// tellOwnAddrs tells the resolver where we serve ourselves, so that it never
// asks us; m.change is held.
func (m *Manager) tellOwnAddrs() {
	var own []netip.Addr
	for _, e := range m.byID {
		if e.plan != nil && e.plan.DNS != nil {
			own = append(own, e.plan.DNS.Addrs...)
		}
	}
	m.resolver.SetOwn(own)
}
