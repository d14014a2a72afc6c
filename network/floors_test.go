package network

import (
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func TestPortsGetTheirFloors(t *testing.T) {
	s := newSite(t)
	const doc = `<network><name>f</name><bridge name='virbr8'/><bandwidth><inbound average='10000'/></bandwidth></network>`
	ref := s.mustStart(doc)
	want := func(lines ...string) {
		t.Helper()
		kerneltest.Wait(t, 5*time.Second, strings.Join(lines, " and ")+" alone", func() bool {
			have := s.ns.Run(t, "tc class show dev virbr8 2>/dev/null; true")
			for _, line := range lines {
				if !strings.Contains(have, line) {
					return false
				}
			}
			return strings.Count(have, "class htb 1:") == len(lines)
		})
	}
	const whole, rest = "class htb 1:1 root rate 80Mbit", "rate 80Mbit ceil 80Mbit"
	want(whole, rest)
	s.mustPort(ref.UUID, portDoc(1, "vm", portMAC, ""))
	want(whole, rest)
	s.mustPort(ref.UUID, portDoc(2, "vm", "52:54:00:00:00:02", "<bandwidth><inbound average='100' floor='4000'/></bandwidth>"))
	want(whole, "rate 32Mbit ceil 80Mbit", "rate 48Mbit ceil 80Mbit")
	if filter := s.ns.Run(t, "tc filter show dev virbr8"); !strings.Contains(filter, "flowid 1:3") || !strings.Contains(filter, "match 00000002/ffffffff at -12") {
		t.Errorf("the port's frames are not in its class:\n%s", filter)
	}
	s.stop()
	s.ns.Run(t, "tc qdisc del dev virbr8 root")
	s.start()
	want(whole, "rate 32Mbit ceil 80Mbit", "rate 48Mbit ceil 80Mbit")
	s.ns.Run(t, "ip link del virbr8")
	want(whole, "rate 32Mbit ceil 80Mbit", "rate 48Mbit ceil 80Mbit")
	// The network's own limit, and the port's, change live.
	twice := strings.Replace(doc, "10000", "20000", 1)
	if _, err := s.DefineLive(t.Context(), []byte(twice), false); err != nil {
		t.Fatal(err)
	}
	want("class htb 1:1 root rate 160Mbit", "rate 32Mbit ceil 160Mbit", "rate 128Mbit ceil 160Mbit")
	if err := s.SetPortBandwidth(ref.UUID, portID(2), &xmlnet.Bandwidth{Inbound: &xmlnet.Rate{Average: 100, Floor: 5000}}); err != nil {
		t.Fatal(err)
	}
	want("class htb 1:1 root rate 160Mbit", "rate 40Mbit ceil 160Mbit", "rate 120Mbit ceil 160Mbit")
	if err := s.DeletePort(ref.UUID, portID(2)); err != nil {
		t.Fatal(err)
	}
	want("class htb 1:1 root rate 160Mbit", "rate 160Mbit ceil 160Mbit")
}
