package network

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

func TestNetworkWithoutDNSHasNoResolver(t *testing.T) {
	s := newSite(t)
	s.mustStart(strings.NewReplacer("<ip ", "<dns enable='no'/><ip ", "virbr7'", "virbr7' stp='off'").Replace(natDoc))
	g := kerneltest.New(t)
	s.ns.Veth(t, "tap0", g, "eth0")
	s.ns.Run(t, "ip link set tap0 master virbr7")
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nenv\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	got := g.Run(t, "busybox udhcpc -i eth0 -n -q -t 10 -O dns -s "+script)
	if !strings.Contains(got, "router=192.168.77.1") || strings.Contains(got, "\ndns=") {
		t.Errorf("offered:\n%s", got)
	}
	g.Run(t, "ip addr add 192.168.77.50/24 dev eth0")
	for _, how := range []string{"+notcp", "+tcp"} {
		if out := g.Run(t, "dig +tries=1 +time=2 "+how+" @192.168.77.1 web A || :"); !strings.Contains(out, "connection refused") {
			t.Errorf("dig %s: %s", how, out)
		}
	}
}
