package nat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/google/nftables"
)

// GuardedPort is a bridge port of which only frames of its guest come in.
type GuardedPort struct {
	Link string
	MAC  net.HardwareAddr
	// Addrs are what the guest may send from; none is anything, from its MAC
	// address. Lengths are multiples of 8. Link-local IPv6 addresses are
	// always allowed.
	Addrs []netip.Prefix
}

// Guards is every guarded port, in any order.
type Guards []GuardedPort

const (
	portMap = "port_output" // by the bridge port a frame came from
	// A chain's name ends with its port's.
	portChain, targetChain = "port-", "target-"
)

// linkLocal6 is what every IPv6 host has an address in (RFC 4291 §2.5.6).
var linkLocal6 = netip.MustParsePrefix("fe80::/64")

// Guard keeps what ports of bridges may send, in a table of the bridge family:
// one look-up for a frame of a port that is not guarded, however many are.
type Guard struct{ conn *Conn }

// OpenGuard is Open for a Guard.
func OpenGuard() (*Guard, error) {
	c, err := openFamily(nftables.TableFamilyBridge)
	if err != nil {
		return nil, err
	}
	return &Guard{conn: c}, nil
}

// Close ends the connection. The table stays.
func (g *Guard) Close() error { return g.conn.Close() }

// Apply makes the kernel's table that of ports, in one transaction, as
// Conn.Apply does.
func (g *Guard) Apply(ctx context.Context, ports Guards) error {
	g.conn.mu.Lock()
	defer g.conn.mu.Unlock()
	want, err := compileGuards(ports, g.conn.want)
	if err != nil {
		return err
	}
	return g.conn.applyTable(ctx, want)
}

// Monitor is Conn.Monitor for the table of ports.
func (g *Guard) Monitor(ctx context.Context) (<-chan struct{}, error) { return g.conn.Monitor(ctx) }

// String is the table as "nft --stateless list table bridge vnetmgr" prints it.
func (g Guards) String() string {
	t, err := compileGuards(g, nil)
	if err != nil {
		return "# " + err.Error() + "\n"
	}
	if t == nil {
		return ""
	}
	return t.text("bridge")
}

// guardPart is one port's share of a table.
type guardPart struct {
	port   GuardedPort
	chains []chain
}

// compileGuards makes the table of ports; nil when there are none. The parts of
// ports that are the same in an earlier table, if there is one, are taken from
// there.
func compileGuards(ports Guards, earlier *table) (*table, error) {
	if len(ports) == 0 {
		return nil, nil
	}
	ports = slices.SortedFunc(slices.Values(ports), func(a, b GuardedPort) int { return cmp.Compare(a.Link, b.Link) })
	t := &table{
		maps:   []verdictMap{{name: portMap, key: "ifname"}},
		chains: []chain{newChain("frames", framesHook, line(dispatch{inputLink, portMap}))},
		guards: make(map[string]guardPart, len(ports)),
	}
	for i, p := range ports {
		if i > 0 && ports[i-1].Link == p.Link {
			return nil, fmt.Errorf("rules of port %s: there are two", p.Link)
		}
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("rules of port %s: %w", p.Link, err)
		}
		part := p.part(earlier)
		t.guards[p.Link] = part
		t.chains = append(t.chains, part.chains...)
		t.maps[0].elements = append(t.maps[0].elements, element{link: p.Link, chain: portChain + p.Link})
	}
	return t, nil
}

func (p GuardedPort) part(earlier *table) guardPart {
	if earlier != nil {
		if part, ok := earlier.guards[p.Link]; ok && reflect.DeepEqual(part.port, p) {
			return part
		}
	}
	return guardPart{p, p.chains()}
}

// ErrPortName says that a port cannot be guarded under the name that it has.
var ErrPortName = errors.New("the link's name cannot name a chain")

func (p GuardedPort) check() error {
	if !validID(strings.ReplaceAll(p.Link, ".", "_")) { // less than a link's name may be
		return ErrPortName
	}
	if err := checkLink("port", p.Link); err != nil {
		return err
	}
	if len(p.MAC) != 6 {
		return fmt.Errorf("%s is no MAC address", p.MAC)
	}
	for _, a := range p.Addrs {
		if !a.IsValid() || a != a.Masked() || a.Bits()%8 != 0 || a.Bits() == 0 {
			return fmt.Errorf("%s is no prefix of whole bytes", a)
		}
	}
	return nil
}

// chains are the port's own, and the one about the addresses it claims.
func (p GuardedPort) chains() []chain {
	rules := []rule{
		line(frameSourceIsNot(p.MAC), counter{}, drop),
		line(arpMACIsNot(p.MAC), counter{}, drop),
	}
	if len(p.Addrs) == 0 {
		return []chain{p.chain(portChain, rules)}
	}
	allowed6 := []netip.Prefix{linkLocal6}
	unspecified := netip.PrefixFrom(netip.IPv4Unspecified(), 32)
	// Servers, which only the host has.
	rules = append(rules, line(udpPort(0, 67), counter{}, drop), line(udpPort(0, 547), counter{}, drop),
		line(routerAdvert, counter{}, drop), line(redirect, counter{}, drop))
	// An ARP probe is from nowhere (RFC 5227 §1.1), as is who asks for an
	// address.
	rules = append(rules, line(arpAddrIs(unspecified.Addr()), counter{}, accept),
		line(frameFrom(unspecified), udpPort(2, 67), counter{}, accept))
	for _, a := range p.Addrs {
		if a.Addr().Is6() {
			allowed6 = append(allowed6, a)
			continue
		}
		if a.IsSingleIP() {
			rules = append(rules, line(arpAddrIs(a.Addr()), counter{}, accept))
		}
		rules = append(rules, line(frameFrom(a), counter{}, accept))
	}
	rules = append(rules, line(neighborAdvert, jumpTo(targetChain+p.Link)))
	var targets []rule
	for _, a := range allowed6 {
		rules = append(rules, line(frameFrom(a), counter{}, accept))
		targets = append(targets, line(advertised(a), back))
	}
	// Duplicate address detection is from nowhere (RFC 4862 §5.4.2).
	rules = append(rules, line(frameFrom(netip.PrefixFrom(netip.IPv6Unspecified(), 128)), counter{}, accept),
		line(counter{}, drop))
	return []chain{p.chain(portChain, rules), p.chain(targetChain, append(targets, line(counter{}, drop)))}
}

func (p GuardedPort) chain(prefix string, rules []rule) chain {
	c := newChain(prefix+p.Link, noHook, rules...)
	c.about = "port " + p.Link
	return c
}

func familyName(f nftables.TableFamily) string {
	if f == nftables.TableFamilyBridge {
		return "bridge"
	}
	return "inet"
}
