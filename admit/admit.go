// Package admit has the rules of Docker and ufw let a network's guests
// through, in the chains that each of the two leaves to others. A packet must
// be accepted by every table, so where they drop what they do not know, our own
// table cannot help. It still decides what guests may reach: what is accepted
// here has passed it, or has yet to.
//
// The rules are such as iptables makes and shows (its nftables kind; the
// chains of the legacy kind are not seen), and carry a comment that begins with
// "vnetmgr:".
package admit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Network is what one network's guests need.
type Network struct {
	Bridge   string
	Forwards bool      // guests reach what is beyond the host
	Services []Service // of the host's that guests use
}

// Service is a server on the host.
type Service struct {
	Proto string // "tcp" or "udp"
	Port  uint16
	IPv6  bool // of this family's alone: DHCP
	IPv4  bool
}

// Conn changes rules in the network namespace in which it was opened.
type Conn struct {
	ufwLock string // a path

	mu  sync.Mutex // guards nft
	nft *nftables.Conn
}

// Open opens a connection to nftables in the calling thread's network
// namespace. ufwLock is the path of the file that ufw there locks.
func Open(ufwLock string) (*Conn, error) {
	nft, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	return &Conn{ufwLock: ufwLock, nft: nft}, nil
}

// Close closes the connection. Rules stay.
func (c *Conn) Close() error { return c.nft.CloseLasting() }

// place is a chain for rules of others.
type place struct {
	family nftables.TableFamily
	base   string // the chain of the hook, from where it is jumped to
	chain  string
}

// places are Docker's (docs.docker.com, "Docker and iptables") and ufw's, which
// has a chain for each of its commands "ufw route" and "ufw allow".
var places = []place{
	{nftables.TableFamilyIPv4, forward, "DOCKER-USER"},
	{nftables.TableFamilyIPv4, forward, "ufw-user-forward"},
	{nftables.TableFamilyIPv4, input, "ufw-user-input"},
	{nftables.TableFamilyIPv6, forward, "DOCKER-USER"},
	{nftables.TableFamilyIPv6, forward, "ufw6-user-forward"},
	{nftables.TableFamilyIPv6, input, "ufw6-user-input"},
}

const (
	table   = "filter"
	forward = "FORWARD"
	input   = "INPUT"
)

// isUFW tells whether the chain is one of ufw's.
func (p place) isUFW() bool { return strings.HasPrefix(p.chain, "ufw") }

// Apply makes those chains hold exactly what the networks need, and where
// nothing is dropped, nothing. It returns the base chains that drop and are
// answered, as "ip filter FORWARD". With ErrBusy they are yet to be: then it is
// to be called again some time later.
func (c *Conn) Apply(ctx context.Context, networks []Network) (answered []string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	networks = slices.Clone(networks)
	slices.SortFunc(networks, func(a, b Network) int { return strings.Compare(a.Bridge, b.Bridge) })
	families := map[nftables.TableFamily]string{nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6"}
	var errs []error
	for family, name := range families {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		chains, err := c.chains(family)
		if err != nil {
			return nil, fmt.Errorf("list chains of family %s: %w", name, err)
		}
		for _, p := range places {
			if p.family != family || chains[p.chain] == nil {
				continue
			}
			var want []rule
			if drops(chains[p.base]) {
				want = p.rules(networks)
				answered = append(answered, name+" "+table+" "+p.base)
			}
			if err := c.apply(p, chains[p.chain], want); err != nil {
				errs = append(errs, fmt.Errorf("let guests through %s %s %s: %w", name, table, p.chain, err))
			}
		}
	}
	slices.Sort(answered)
	return slices.Compact(answered), errors.Join(errs...)
}

// chains lists iptables' filter chains by name.
func (c *Conn) chains(family nftables.TableFamily) (map[string]*nftables.Chain, error) {
	all, err := c.nft.ListChainsOfTableFamily(family)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]*nftables.Chain)
	for _, chain := range all {
		if chain.Table.Name == table {
			byName[chain.Name] = chain
		}
	}
	return byName, nil
}

func drops(c *nftables.Chain) bool {
	return c != nil && c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop
}

// apply makes a chain hold the wanted rules as its last, but for a return that
// ends it, in one transaction.
func (c *Conn) apply(p place, chain *nftables.Chain, want []rule) error {
	rules, err := c.nft.GetRules(chain.Table, chain)
	if err != nil || inPlace(rules, want) {
		return err
	}
	if p.isUFW() {
		release, err := c.lock()
		if err != nil {
			return err
		}
		defer release()
	}
	var end *nftables.Rule
	if n := len(rules); n > 0 && isReturn(rules[n-1]) {
		end = rules[n-1]
	}
	for _, r := range rules {
		if mark(r) != "" {
			if err := c.nft.DelRule(r); err != nil {
				return err
			}
		}
	}
	for _, r := range want {
		made := &nftables.Rule{Table: chain.Table, Chain: chain, Exprs: r.exprs(), UserData: r.userData()}
		if end == nil {
			c.nft.AddRule(made)
			continue
		}
		made.Position = end.Handle
		c.nft.InsertRule(made)
	}
	return c.nft.Flush()
}

// inPlace tells whether the wanted rules, and none else of ours, are the last.
func inPlace(rules []*nftables.Rule, want []rule) bool {
	if n := len(rules); n > 0 && isReturn(rules[n-1]) {
		rules = rules[:n-1]
	}
	if len(rules) < len(want) {
		return false
	}
	others := rules[:len(rules)-len(want)]
	for i, r := range rules[len(others):] {
		if mark(r) != want[i].comment() {
			return false
		}
	}
	return !slices.ContainsFunc(others, func(r *nftables.Rule) bool { return mark(r) != "" })
}

// isReturn tells whether a rule of another's returns whatever the packet is.
func isReturn(r *nftables.Rule) bool {
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Counter:
		case *expr.Verdict:
			return e.Kind == expr.VerdictReturn && mark(r) == ""
		default:
			return false
		}
	}
	return false
}
