package domain

import (
	"log/slog"
	"testing"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func TestNetworkMadeInLibvirtIsAdoptedOnceItHasSettled(t *testing.T) {
	made := func(name, rest string) *shown {
		return &shown{net: libvirt.Network{Name: name}, persistent: true, doc: "<network><name>" + name + "</name>" + rest + "</network>"}
	}
	ours := made("facade", "<forward mode='bridge'/><bridge name='virbr5'/>")
	ours.facade = true
	seen := map[xmlnet.UUID]*shown{{1}: made("old", "<bridge name='virbr1'/>")}
	now := time.Unix(1000, 0)
	n := newNewcomers(slog.New(slog.DiscardHandler), true)
	n.meet(seen, now)
	if n.next(now) != nil {
		t.Error("what was there before is to be adopted")
	}
	seen[xmlnet.UUID{2}] = made("wizard", "<forward mode='nat'/><bridge name='virbr2'/><ip address='10.0.0.1' prefix='24'/>")
	seen[xmlnet.UUID{3}] = made("macvtap", "<forward mode='bridge'><interface dev='eth0'/></forward>")
	seen[xmlnet.UUID{4}] = made("gone", "<bridge name='virbr4'/>")
	seen[xmlnet.UUID{5}] = ours
	n.meet(seen, now)
	n.touched(xmlnet.UUID{2}, now.Add(time.Second))
	delete(seen, xmlnet.UUID{4})
	n.meet(seen, now.Add(time.Second))
	if n.next(now) == nil {
		t.Error("nothing is due")
	}
	if early := n.take(now.Add(settleTime)); early != nil {
		t.Errorf("adopted before it has settled: %v", early)
	}
	if diff := cmp.Diff([]string{"wizard"}, n.take(now.Add(time.Second+settleTime))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	n.meet(seen, now.Add(time.Hour))
	if again := n.take(now.Add(2 * time.Hour)); again != nil {
		t.Errorf("adopted again: %v", again)
	}
}

func TestNetworkMadeInLibvirtIsLeftThereWithoutTheSetting(t *testing.T) {
	n := newNewcomers(slog.New(slog.DiscardHandler), false)
	n.meet(nil, time.Now())
	n.meet(map[xmlnet.UUID]*shown{{2}: {net: libvirt.Network{Name: "w"}, persistent: true, doc: "<network><name>w</name><bridge name='virbr2'/></network>"}}, time.Now())
	if n.next(time.Now()) != nil {
		t.Error("it is to be adopted")
	}
}
