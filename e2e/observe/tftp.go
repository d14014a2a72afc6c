package observe

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// tftpQuestions are files that guests ask for, and the options that they send.
var tftpQuestions = []struct{ file, options string }{
	{"hello", ""},
	{"/hello", "blksize 1468 tsize 0"},
	{"ROOT/hello", "blksize 65464 timeout 3"},
	{"sub/hello", "tsize 0 windowsize 4"},
	{"sub\\hello", "tsize 0"},
	{"HELLO", "tsize 0"},
	{"absent", "tsize 0"},
	{"secret", "tsize 0"},
	{"sub", "tsize 0"},
	{"link", "tsize 0"},
	{"outside", "tsize 0"},
	{"../tftp/hello", "tsize 0"},
	{"../../etc/passwd", "tsize 0"},
	{"/etc/passwd", "tsize 0"},
	{"", "tsize 0"},
}

// BootFiles is a script that fills the root of a network's TFTP server.
func BootFiles(root string) string {
	return strings.ReplaceAll(`mkdir -p ROOT/sub
		printf 'hello\nworld\r\n' >ROOT/hello
		printf below >ROOT/sub/hello
		printf secret >ROOT/secret; chmod 600 ROOT/secret
		ln -s hello ROOT/link
		ln -s /etc/passwd ROOT/outside
		chmod 755 ROOT ROOT/sub; chmod 644 ROOT/hello ROOT/sub/hello`, "ROOT", root)
}

// TFTPRoot is the folder whose files the network serves, and where; "" if none.
func TFTPRoot(n *xmlnet.Network) (root string, server netip.Addr) {
	for _, ip := range n.IPs {
		if ip.TFTPRoot != "" {
			return ip.TFTPRoot, ip.Prefix.Addr()
		}
	}
	for _, option := range n.DNSMasqOptions {
		if root, ok := strings.CutPrefix(option, "tftp-root="); ok {
			return root, n.IPs[0].Prefix.Addr()
		}
	}
	return "", netip.Addr{}
}

// tftp asks for files, and writes down the first answer to each.
func (o *observer) tftp() {
	root, server := TFTPRoot(o.Network)
	if root == "" {
		return
	}
	s := o.report.add("tftp")
	for _, q := range tftpQuestions {
		file := strings.ReplaceAll(q.file, "ROOT", root)
		for _, mode := range []string{"octet", "netascii"} {
			if mode == "netascii" && q.file != "hello" {
				continue
			}
			s.line("%q %s %s: %s", file, mode, q.options, o.readRequest(server, file, mode, q.options))
		}
	}
	s.line("to write: %s", o.tftpExchange(server, []byte("\x00\x02new\x00octet\x00")))
	s.line("curl gets %q", o.guest.Run(o.t, "curl", "-s", "-m", "20", "tftp://"+server.String()+"/hello").Stdout)
	s.line("busybox gets %q", o.guest.Run(o.t, "busybox", "tftp", "-g", "-b", "1468", "-r", "hello", "-l", "/dev/stdout", server.String()).Stdout)
}

func (o *observer) readRequest(server netip.Addr, file, mode, options string) string {
	request := append([]byte{0, 1}, file+"\x00"+mode+"\x00"...)
	for _, word := range strings.Fields(options) {
		request = append(request, word+"\x00"...)
	}
	return o.tftpExchange(server, request)
}

// tftpExchange sends a first packet and describes the answer, which it refuses
// so that the server is done.
func (o *observer) tftpExchange(server netip.Addr, request []byte) string {
	var pc net.PacketConn
	err := o.guest.Net(func() (err error) {
		pc, err = net.ListenPacket("udp", "")
		return err
	})
	if err != nil {
		o.t.Fatalf("open a TFTP client's socket: %v", err)
	}
	defer pc.Close()
	if _, err := pc.WriteTo(request, net.UDPAddrFromAddrPort(netip.AddrPortFrom(server, 69))); err != nil {
		return err.Error()
	}
	b := make([]byte, 65536)
	pc.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, from, err := pc.ReadFrom(b)
	if err != nil || n < 2 {
		return "no answer"
	}
	pc.WriteTo([]byte{0, 5, 0, 0, 0}, from)
	return describeTFTP(b[:n])
}

func describeTFTP(b []byte) string {
	switch rest := b[2:]; b[1] {
	case 3:
		return fmt.Sprintf("DATA %q", rest[min(2, len(rest)):])
	case 5:
		return fmt.Sprintf("ERROR %d", b[3]) // and words for people
	case 6:
		return "OACK " + strings.Join(strings.Split(strings.TrimSuffix(string(rest), "\x00"), "\x00"), " ")
	}
	return fmt.Sprintf("%x", b)
}
