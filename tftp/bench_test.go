package tftp

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A transfer's speed as a client sees it that does nothing else: a thread that
// waits in the kernel for each packet.
func BenchmarkTransfer(b *testing.B) {
	const size = 16 << 20
	root := b.TempDir()
	if err := os.WriteFile(filepath.Join(root, "f"), make([]byte, size), 0o644); err != nil {
		b.Fatal(err)
	}
	for _, window := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("window-%d", window), func(b *testing.B) {
			udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				b.Fatal(err)
			}
			defer udp.Close()
			s := NewServer(slog.New(slog.DiscardHandler), Config{Root: root})
			ctx, cancel := context.WithCancel(context.Background())
			served := make(chan struct{})
			go func() { s.Serve(ctx, newConn(udp, 1500)); close(served) }()
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if got := receive(b, udp.LocalAddr().(*net.UDPAddr).Port, window); got != size {
					b.Fatalf("%d bytes", got)
				}
			}
			cancel()
			<-served
		})
	}
}

// receive gets the file f in blocks of 1468 bytes and returns its size.
func receive(b *testing.B, port, window int) (size int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fd)
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5})
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		b.Fatal(err)
	}
	unix.Write(fd, fmt.Appendf(nil, "\x00\x01f\x00octet\x00blksize\x001468\x00windowsize\x00%d\x00", window))
	packet, acknowledged := make([]byte, 2048), []byte{0, opAck, 0, 0}
	for count := 0; ; {
		n, err := unix.Read(fd, packet)
		if err != nil || n < headerSize || packet[1] == opError {
			b.Fatalf("%v %q", err, packet[:n])
		}
		if packet[1] == opOAck {
			unix.Write(fd, acknowledged)
			continue
		}
		size += n - headerSize
		last := n < headerSize+1468
		if count++; count%window == 0 || last {
			binary.BigEndian.PutUint16(acknowledged[2:], uint16(count))
			unix.Write(fd, acknowledged)
		}
		if last {
			return size
		}
	}
}
