package dhcpd

import (
	"strings"
	"testing"
)

// perfdhcp, which checks what it gets, is served without a drop.
func TestPerfdhcp6LosesNothing(t *testing.T) {
	cfg := benchConfig6()
	n := newLAN6(t, cfg)
	g := n.guest6(t, 1)
	out := g.Run(t, "perfdhcp -6 -l eth0 -r 500 -R 300 -n 600 -W 500000 -P 2 ff02::1:2 || :")
	if strings.Count(out, "drops: 0") != 2 || strings.Count(out, "received packets: 600") != 2 {
		t.Errorf("perfdhcp:\n%s", out)
	}
}
