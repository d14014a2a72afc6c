package neighbour

import (
	"net/netip"
	"testing"
)

func FuzzHeard(f *testing.F) {
	from := station{stationMAC(1), netip.MustParseAddr("fe80::1")}
	f.Add(solicitation(from, netip.MustParseAddr("fd00:7::1:2"), nil))
	f.Add(echoRequest(from))
	f.Fuzz(func(t *testing.T, frame []byte) {
		n, says := heard(frame)
		if says != nothing && (!n.MAC.unicast() || !n.Addr.IsValid()) {
			t.Errorf("%x says %d of %v", frame, says, n)
		}
	})
}

// advertisement is what a station answers.
func advertisement(mac MAC, target string, flags byte, linkAddr *MAC) []byte {
	addr := netip.MustParseAddr(target)
	b := addr.As16()
	body := append([]byte{typeAdvertise, 0, 0, 0, flags, 0, 0, 0}, b[:]...)
	if linkAddr != nil {
		body = append(append(body, optLinkAddr, 1), linkAddr[:]...)
	}
	return frame(station{mac, addr}, station{stationMAC(9), netip.MustParseAddr("fe80::9")}, body)
}

func TestFramesThatSayWhoHasAnAddress(t *testing.T) {
	const addr = "fd00:7::1:2"
	mac, other := stationMAC(1), stationMAC(2)
	edit := func(f []byte, at int, to byte) []byte { f[at] = to; return f }
	dad := solicitation(station{mac, netip.IPv6Unspecified()}, netip.MustParseAddr(addr), nil)
	for _, c := range []struct {
		name  string
		frame []byte
		says  saying
		of    string
	}{
		{"duplicate address detection", dad, claims, addr},
		{"a question from the address", solicitation(station{mac, netip.MustParseAddr(addr)}, netip.MustParseAddr("fd00:7::1"), nil), claims, addr},
		{"an answer", advertisement(mac, addr, 0x60, &mac), answers, addr},
		{"an answer without its link-layer address", advertisement(mac, addr, 0x40, nil), answers, addr},
		{"an announcement", advertisement(mac, addr, 0x20, &mac), claims, addr},
		{"an answer for another station", advertisement(mac, addr, 0x60, &other), nothing, ""},
		{"an answer through a router", edit(advertisement(mac, addr, 0x60, &mac), atHops, 254), nothing, ""},
		{"an unknown code", edit(advertisement(mac, addr, 0x60, &mac), atICMP+1, 1), nothing, ""},
		{"a group as sender", edit(advertisement(mac, addr, 0x60, &mac), atSender, 0x33), nothing, ""},
		{"an option without length", edit(advertisement(mac, addr, 0x60, &mac), atOptions+1, 0), nothing, ""},
		{"a short one", advertisement(mac, addr, 0x60, nil)[:atOptions-1], nothing, ""},
	} {
		n, says := heard(c.frame)
		if says != c.says || says != nothing && (n.Addr.String() != c.of || n.MAC != mac) {
			t.Errorf("%s: says %d of %v", c.name, says, n)
		}
	}
}
