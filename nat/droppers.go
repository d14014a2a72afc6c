package nat

import (
	"context"
	"fmt"

	"github.com/google/nftables"
)

// Dropper is a chain of another table that drops every packet that it does not
// accept.
type Dropper struct {
	Chain string // "ip filter FORWARD"
	// Input says that it is about packets to the host itself, rather than
	// about forwarded ones.
	Input bool
}

// Droppers finds such chains. A packet must be accepted by all chains of a
// hook, so that they take guests their way to the outside, or to the host,
// whatever our rules say. iptables' chains are among them where it is the
// nftables kind.
func (c *Conn) Droppers(ctx context.Context) ([]Dropper, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []Dropper
	for _, family := range []struct {
		table nftables.TableFamily
		name  string
	}{{nftables.TableFamilyIPv4, "ip"}, {nftables.TableFamilyIPv6, "ip6"}, {nftables.TableFamilyINet, "inet"}} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		chains, err := c.nft.ListChainsOfTableFamily(family.table)
		if err != nil {
			return nil, fmt.Errorf("list the chains of family %s: %w", family.name, err)
		}
		for _, chain := range chains {
			if drops(chain) && !(family.name == "inet" && chain.Table.Name == TableName) {
				found = append(found, Dropper{
					Chain: fmt.Sprintf("%s %s %s", family.name, chain.Table.Name, chain.Name),
					Input: *chain.Hooknum == *nftables.ChainHookInput,
				})
			}
		}
	}
	return found, nil
}

func drops(c *nftables.Chain) bool {
	return c.Hooknum != nil && (*c.Hooknum == *nftables.ChainHookForward || *c.Hooknum == *nftables.ChainHookInput) &&
		c.Type == nftables.ChainTypeFilter && c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop
}
