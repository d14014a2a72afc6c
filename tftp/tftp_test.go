package tftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serve serves a directory on loopback until the test ends.
func serve(t *testing.T, root string) (*Server, net.Addr) {
	t.Helper()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(slog.New(slog.DiscardHandler), Config{Root: root})
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.Serve(ctx, newConn(udp, 1500)); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait(); udp.Close() })
	return s, udp.LocalAddr()
}

// client is one end of a conversation, packet by packet.
type client struct {
	t *testing.T
	*net.UDPConn
}

func dial(t *testing.T, server net.Addr) client {
	t.Helper()
	c, err := net.DialUDP("udp4", nil, server.(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return client{t, c}
}

// ask sends a request and returns the answer.
func (c client) ask(op byte, fields ...string) string {
	c.t.Helper()
	c.say(string([]byte{0, op}) + strings.Join(fields, "\x00") + "\x00")
	return c.hear()
}

func (c client) say(packet string) {
	c.t.Helper()
	if _, err := c.Write([]byte(packet)); err != nil {
		c.t.Fatal(err)
	}
}

func (c client) hear() string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b[:n])
}

func ack(block uint16) string {
	return string(binary.BigEndian.AppendUint16([]byte{0, opAck}, block))
}

// fetch gets a whole file, acknowledging each window's last block, and loses
// the packets that drop says.
func (c client) fetch(window int, drop func() bool, fields ...string) (content []byte, options string) {
	c.t.Helper()
	packet := c.ask(opRead, fields...)
	size, next := defaultBlock, uint16(1)
	if packet[1] == opOAck {
		options = packet[2:]
		pairs := strings.Split(options, "\x00")
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == "blksize" {
				fmt.Sscan(pairs[i+1], &size)
			}
		}
		c.say(ack(0))
		packet = c.hear()
	}
	for inWindow := 1; ; inWindow++ {
		if packet[1] != opData {
			c.t.Fatalf("got %q", packet)
		}
		block := binary.BigEndian.Uint16([]byte(packet[2:]))
		switch {
		case drop():
		case block != next:
			c.say(ack(next - 1))
			inWindow = 0
		default:
			content = append(content, packet[headerSize:]...)
			if len(packet) < headerSize+size {
				c.say(ack(block))
				return content, options
			}
			if next++; inWindow >= window {
				c.say(ack(block))
				inWindow = 0
			}
		}
		packet = c.hear()
	}
}

func never() bool { return false }

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Int())
	}
	return b
}

func TestFilesOfEverySizeArrive(t *testing.T) {
	root := t.TempDir()
	_, addr := serve(t, root)
	for _, size := range []int{0, 1, 511, 512, 513, 1024, 100000} {
		want := random(size)
		write(t, filepath.Join(root, "file"), want)
		got, _ := dial(t, addr).fetch(1, never, "file", "octet")
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %d others", size, len(got))
		}
	}
}

func TestOptionsAreAgreedOn(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "f"), make([]byte, 3000))
	for _, tc := range []struct{ name, mode, ask, want string }{
		{"none", "octet", "", ""},
		{"size", "octet", "tsize 0", "tsize 3000"},
		{"block", "octet", "blksize 1024", "blksize 1024"},
		{"block beyond the link's MTU", "octet", "blksize 65464", "blksize 1468"},
		{"block too small", "octet", "blksize 7", ""},
		{"block too large", "octet", "blksize 65465", ""},
		{"any case, in their order", "octet", "TSize 0 BLKSIZE 600 windowsize 4", "tsize 3000 blksize 600 windowsize 4"},
		{"window beyond our memory", "octet", "windowsize 65535", "windowsize 64"},
		{"window of none", "octet", "windowsize 0", ""},
		{"timeout", "octet", "timeout 3", "timeout 3"},
		{"no timeout", "octet", "timeout 0", ""},
		{"unknown", "octet", "multicast 1 blksize 1024", "blksize 1024"},
		{"twice", "octet", "blksize 1024 blksize 512", "blksize 1024"},
		{"no number", "octet", "blksize many", ""},
		{"size of text is not known", "netascii", "tsize 0", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, addr := serve(t, root)
			fields := append([]string{"f", tc.mode}, strings.Fields(tc.ask)...)
			got := dial(t, addr).ask(opRead, fields...)
			want := ""
			if tc.want != "" {
				want = "\x00\x06" + strings.Join(strings.Fields(tc.want), "\x00") + "\x00"
			}
			if got[1] == opData {
				got = ""
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLostPacketsAreSentAgain(t *testing.T) {
	root := t.TempDir()
	want := random(200_000)
	write(t, filepath.Join(root, "file"), want)
	_, addr := serve(t, root)
	for _, window := range []int{1, 8} {
		count := 0
		every := func() bool { count++; return count%40 == 0 && count < 200 && window > 1 || count == 3 }
		got, _ := dial(t, addr).fetch(window, every, "file", "octet", "blksize", "1024", "windowsize", fmt.Sprint(window))
		if !bytes.Equal(got, want) {
			t.Errorf("window %d: got %d other bytes", window, len(got))
		}
	}
}

// Block numbers have 16 bits; the file needs twice as many blocks.
func TestBlockNumbersWrapAround(t *testing.T) {
	root := t.TempDir()
	want := bytes.Repeat(random(4096), 256)
	write(t, filepath.Join(root, "file"), want)
	_, addr := serve(t, root)
	got, _ := dial(t, addr).fetch(16, never, "file", "octet", "blksize", "8", "windowsize", "16")
	if !bytes.Equal(got, want) {
		t.Errorf("got %d other bytes", len(got))
	}
}

func TestTextHasTheNetworksLineEnds(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "f"), []byte("a\nb\r\nc\r\n\n"))
	_, addr := serve(t, root)
	got, _ := dial(t, addr).fetch(1, never, "f", "NetASCII")
	if want := "a\r\nb\r\x00\r\nc\r\x00\r\n\r\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDoubleAcknowledgementsDoNotDoubleTheTraffic(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "f"), make([]byte, 512*6))
	s, addr := serve(t, root)
	c := dial(t, addr)
	packet := c.ask(opRead, "f", "octet")
	for block := uint16(1); ; block++ {
		if want := string(binary.BigEndian.AppendUint16([]byte{0, opData}, block)); packet[:headerSize] != want {
			t.Fatalf("got %q, want %q", packet[:headerSize], want)
		}
		c.say(ack(block))
		c.say(ack(block))
		if len(packet) == headerSize {
			break
		}
		packet = c.hear()
	}
	waitFor(t, func() bool { return s.Stats().Sent == 1 })
	if got, want := s.Stats().Bytes, uint64(512*6+7*headerSize); got != want {
		t.Errorf("sent %d bytes, want %d", got, want)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited too long")
		}
	}
}

func TestNothingOutsideTheRootIsServed(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	write(t, filepath.Join(dir, "secret"), []byte("secret"))
	write(t, filepath.Join(root, "sub", "f"), []byte("inside"))
	write(t, filepath.Join(root, "private"), []byte("private"))
	write(t, filepath.Join(dir, "root-of-another", "f"), []byte("secret"))
	for _, err := range []error{
		os.Chmod(filepath.Join(root, "private"), 0o640),
		os.Symlink("../secret", filepath.Join(root, "out")),
		os.Symlink(filepath.Join(dir, "secret"), filepath.Join(root, "far-out")),
		os.Symlink("..", filepath.Join(root, "up")),
		os.Symlink("sub/f", filepath.Join(root, "in")),
		os.Symlink("/dev/zero", filepath.Join(root, "zero")),
		syscall.Mkfifo(filepath.Join(root, "pipe"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, addr := serve(t, root)
	inside := "\x00\x03\x00\x01inside"
	for name, want := range map[string]string{
		"sub/f":                inside,
		"/sub/f":               inside,
		"//sub//f":             inside,
		`\sub\f`:               inside,
		"sub/../sub/f":         inside,
		root + "/sub/f":        inside,
		"in":                   inside,
		"../secret":            "\x00\x05\x00\x02",
		`..\secret`:            "\x00\x05\x00\x02",
		"sub/../../secret":     "\x00\x05\x00\x02",
		root + "/../secret":    "\x00\x05\x00\x02",
		root + "-of-another/f": "\x00\x05\x00\x01",
		"out":                  "\x00\x05\x00\x02",
		"far-out":              "\x00\x05\x00\x02",
		"up/secret":            "\x00\x05\x00\x02",
		"zero":                 "\x00\x05\x00\x02",
		"pipe":                 "\x00\x05\x00\x02",
		"private":              "\x00\x05\x00\x02",
		"sub":                  "\x00\x05\x00\x02",
		"/":                    "\x00\x05\x00\x02",
		"/etc/passwd":          "\x00\x05\x00\x01",
		"absent":               "\x00\x05\x00\x01",
		"sub/f/absent":         "\x00\x05\x00\x02",
	} {
		if got := dial(t, addr).ask(opRead, name, "octet"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestNothingCanBeWritten(t *testing.T) {
	root := t.TempDir()
	_, addr := serve(t, root)
	if got := dial(t, addr).ask(opWrite, "f", "octet"); !strings.HasPrefix(got, "\x00\x05\x00\x04") {
		t.Errorf("got %q", got)
	}
	if files, err := os.ReadDir(root); len(files) != 0 || err != nil {
		t.Errorf("%v %v", files, err)
	}
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	_, addr := serve(t, t.TempDir())
	for _, packet := range []string{
		"\x00\x01", "\x00\x01f", "\x00\x01f\x00octet", "\x00\x01\x00octet\x00", "\x00\x01f\x00mail\x00",
		"\x00\x01f\x00octet\x00blksize\x00", "\x00\x01" + strings.Repeat("f", 600) + "\x00octet\x00",
		"\x00\x01f\x00octet\x00" + strings.Repeat("a\x001\x00", 400),
	} {
		c := dial(t, addr)
		c.say(packet)
		if got := c.hear(); !strings.HasPrefix(got, "\x00\x05\x00\x04") {
			t.Errorf("%q: %q", packet, got)
		}
	}
}

func TestOneClientTakesNotAllPlaces(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "f"), make([]byte, 5000))
	_, addr := serve(t, root)
	for i := range maxPerClient {
		if got := dial(t, addr).ask(opRead, "f", "octet"); got[1] != opData {
			t.Fatalf("transfer %d: %q", i, got)
		}
	}
	if got := dial(t, addr).ask(opRead, "f", "octet"); !strings.HasPrefix(got, "\x00\x05\x00\x00") {
		t.Errorf("one more: %q", got)
	}
}

func TestClientThatEndsGivesItsPlaceBack(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "f"), make([]byte, 5000))
	s, addr := serve(t, root)
	for i := range 3 * maxPerClient {
		c := dial(t, addr)
		if got := c.ask(opRead, "f", "octet", "tsize", "0"); got != "\x00\x06tsize\x005000\x00" {
			t.Fatalf("transfer %d: %q", i, got)
		}
		c.say("\x00\x05\x00\x00stop\x00") // as boot ROMs do that want the size only
		waitFor(t, func() bool { return s.Stats().Failed == uint64(i+1) })
	}
}

func TestCheckRootNamesTheDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := CheckRoot(dir); err != nil {
		t.Error(err)
	}
	missing := filepath.Join(dir, "missing")
	if err := CheckRoot(missing); err == nil || err.Error() != "TFTP directory "+missing+" inaccessible: no such file or directory" {
		t.Errorf("got %v", err)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte("pxelinux.0\x00octet\x00tsize\x000\x00blksize\x001408\x00"))
	f.Add([]byte("a\x00NETASCII\x00windowsize\x0064\x00timeout\x009\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRequest(b, 1468)
		if err != nil {
			return
		}
		if r.block < minBlock || r.block > 1468 || r.window < 1 || r.window > maxWindow || r.timeout < time.Second {
			t.Errorf("%+v", r)
		}
		if n := len(r.acknowledgement(1 << 40)); n > 200 {
			t.Errorf("the acknowledgement has %d bytes", n)
		}
	})
}
