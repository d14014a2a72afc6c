package nat

import (
	"context"
	"fmt"

	"github.com/google/nftables"
)

// Droppers names the chains of other tables that drop every forwarded packet
// that they do not accept, as "ip filter FORWARD". A packet must be accepted by
// all chains of a hook, so that such a one takes guests their way outside
// whatever our rules say. iptables' chains are among them where it is the
// nftables kind.
func (c *Conn) Droppers(ctx context.Context) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []string
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
				found = append(found, fmt.Sprintf("%s %s %s", family.name, chain.Table.Name, chain.Name))
			}
		}
	}
	return found, nil
}

func drops(c *nftables.Chain) bool {
	return c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookForward && c.Type == nftables.ChainTypeFilter &&
		c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop
}
