package nat

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

func TestChainsThatDropAreNamed(t *testing.T) {
	ns := kerneltest.New(t)
	ns.Run(t, `nft add table ip filter
		nft 'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'
		nft 'add chain ip filter INPUT { type filter hook input priority 0; policy drop; }'
		nft add table inet fw
		nft 'add chain inet fw forward { type filter hook forward priority 10; policy drop; }'
		nft 'add chain inet fw ours { type filter hook forward priority 11; policy accept; }'`)
	var c *Conn
	var err error
	ns.Do(func() { c, err = Open() })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Droppers(t.Context())
	if diff := cmp.Diff([]Dropper{{"ip filter FORWARD", false}, {"ip filter INPUT", true}, {"inet fw forward", false}}, got); diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
