package state

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func TestAttachmentsComeBackAsSaved(t *testing.T) {
	d := newDir(t)
	d.Attached = filepath.Join(t.TempDir(), "attached")
	mac, _ := xmlnet.ParseMAC("52:54:00:00:00:07")
	full := port.Attachment{
		UUID: xmlnet.UUID{0: 1}, Network: xmlnet.UUID{0: 2}, Link: "fc0", MAC: mac,
		Tap:  &port.Tap{User: new(uint32(0)), Group: new(uint32(7)), MultiQueue: true, VNetHdr: true},
		Addr: netip.MustParseAddr("192.168.122.7"), Addr6: netip.MustParseAddr("fd00::7"), Name: "web",
		MACRule: true, Isolated: true, Group: "g", Bandwidth: &xmlnet.Bandwidth{Inbound: &xmlnet.Rate{Average: 1}}, Key: "cni:x",
	}
	netns := port.Attachment{
		UUID: xmlnet.UUID{0: 3}, Network: xmlnet.UUID{0: 2}, Link: "v0", MAC: mac,
		Netns: &port.Netns{Path: "/run/netns/a", Name: "a", Link: "eth0"},
	}
	for _, a := range []port.Attachment{full, netns, full} {
		if err := d.SaveAttachment(&a); err != nil {
			t.Fatal(err)
		}
	}
	got, err := d.Attachments()
	if diff := cmp.Diff([]port.Attachment{full, netns}, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); err != nil || diff != "" {
		t.Errorf("%v (-saved +read):\n%s", err, diff)
	}
	for range 2 {
		if err := d.RemoveAttachment(full.UUID); err != nil {
			t.Error(err)
		}
	}
	for name, text := range map[string]string{"cut.json": "{", xmlnet.UUID{0: 9}.String() + ".json": `{"UUID":"` + full.UUID.String() + `"}`} {
		if err := os.WriteFile(filepath.Join(d.Attached, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err = d.Attachments()
	if len(got) != 1 || err == nil || !strings.Contains(err.Error(), "cut.json") {
		t.Errorf("%d, %v", len(got), err)
	}
}
