package holder

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOwnSocketsAreFound(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()

	for proto, ap := range map[string]netip.AddrPort{
		"udp": udp.LocalAddr().(*net.UDPAddr).AddrPort(),
		"tcp": tcp.Addr().(*net.TCPAddr).AddrPort(),
	} {
		name, pid, ok := Of(proto, ap)
		if !ok || pid != os.Getpid() || name == "" {
			t.Errorf("Of(%s, %s) = %q, %d, %v; want this process", proto, ap, name, pid, ok)
		}
	}
}

func TestFreePortHasNoHolder(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ap := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	udp.Close()
	if name, pid, ok := Of("udp", ap); ok {
		t.Errorf("Of = %s %d for a closed socket", name, pid)
	}
}

func TestExplainNamesProgramAndKeepsTheError(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	ap := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	_, err = net.ListenPacket("udp", ap.String())
	got := Explain(err, "udp", ap)
	if !errors.Is(got, syscall.EADDRINUSE) || !strings.Contains(got.Error(), "is held by holder.test (pid ") {
		t.Errorf("Explain = %v", got)
	}
}

func TestTableMatchesAddressAndWildcard(t *testing.T) {
	var word [4]byte
	copy(word[:], []byte{127, 0, 0, 1})
	nativeWord(word[:])
	if word != [4]byte{1, 0, 0, 127} {
		t.Skip("the table below is written for a little-endian machine")
	}
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   1: 0100007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1
   2: 017AA8C0:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1
   3: 017AA8C0:0035 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 13 1
   4: 00000000:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1
   5: 017AA8C0:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1
   6: 00000000000000000000000000000000:0035 0:0 0A 0:0 00:0 0 0 0 16 1
   7: zz:0035 0:0 0A 0:0 00:0 0 0 0 17 1
   8: short
`
	got := map[string]bool{}
	matchSockets(strings.NewReader(table), true, netip.MustParseAddrPort("192.168.122.1:53"), got)
	want := map[string]bool{"12": true, "14": true, "16": true}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("inodes (-want +got):\n%s", d)
	}
}
