package e2e

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

func TestBridgeNameThatIsTakenIsRefused(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	s.Must(t, "ip", "link", "add", "virbr0", "type", "bridge")
	s.refused(t, []string{"Failed to start network default", "virbr0"}, "net-start", "default")
}

func TestPortThatAnotherProgramHoldsIsRefusedByItsName(t *testing.T) {
	for name, other := range map[string][]string{
		"53": {"--port=53", "--no-resolv", "--no-hosts"},
		"67": {"--port=0", "--dhcp-range=10.9.9.2,10.9.9.9"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.Daemon(t)
			args := append([]string{"dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--user=root", "--dhcp-leasefile=/run/other.leases"}, other...)
			holder := s.Start(t, args...)
			lab.Eventually(t, 10*time.Second, "dnsmasq holds port "+name, func() bool {
				return strings.Contains(s.Must(t, "ss", "-Hlun"), ":"+name+" ")
			})
			s.refused(t, []string{"Failed to start network default", name, "dnsmasq"}, "net-start", "default")
			holder.Signal(syscall.SIGTERM)
			holder.Wait(t)
			s.ctl(t, "net-start", "default")
		})
	}
}

func TestSubnetInUseIsRefusedByLinkAndPrefix(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	s.Must(t, "ip", "addr", "add", "10.77.0.5/16", "dev", lab.UplinkName)
	s.define(t, `<network><name>clash</name><ip address='10.77.9.1' prefix='24'/></network>`)
	s.refused(t, []string{"Failed to start network clash", lab.UplinkName, "10.77.0.0/16"}, "net-start", "clash")
}

func TestDefaultPicksAFreeSubnet(t *testing.T) {
	s := newSite(t)
	s.Must(t, "ip", "addr", "add", "192.168.122.200/24", "dev", lab.UplinkName)
	s.ctl(t, "net-start", "default")
	out := s.Must(t, "ip", "-4", "-o", "addr", "show", "dev", "virbr0")
	if strings.Contains(out, "192.168.122.") || !strings.Contains(out, " 192.168.") {
		t.Errorf("address of virbr0: %s", out)
	}
}

func TestMalformedDocumentsAreRefused(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	for name, doc := range map[string]string{
		"not XML":              `network`,
		"not closed":           `<network><name>x</name>`,
		"not a network":        `<domain><name>x</name></domain>`,
		"no name":              `<network/>`,
		"range outside subnet": `<network><name>x</name><ip address='10.1.1.1' prefix='24'><dhcp><range start='10.1.2.2' end='10.1.2.9'/></dhcp></ip></network>`,
		"range backwards":      `<network><name>x</name><ip address='10.1.1.1' prefix='24'><dhcp><range start='10.1.1.9' end='10.1.1.2'/></dhcp></ip></network>`,
		"address that is none": `<network><name>x</name><ip address='10.1.1.300' prefix='24'/></network>`,
		"prefix too long":      `<network><name>x</name><ip address='10.1.1.1' prefix='33'/></network>`,
		"name with a slash":    `<network><name>../x</name></network>`,
	} {
		t.Run(name, func(t *testing.T) {
			s.WriteFile(t, "/run/bad.xml", doc, 0o644)
			s.refused(t, []string{"Failed to define network from /run/bad.xml"}, "net-define", "/run/bad.xml")
		})
	}
	if out := s.ctl(t, "net-list", "--all", "--name"); strings.TrimSpace(out) != "default" {
		t.Errorf("networks after all that was refused: %q", out)
	}
}

func TestMissingCapabilityIsNamed(t *testing.T) {
	s := newSite(t)
	s.control = []string{"setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "vnetmgr"}
	s.refused(t, []string{"CAP_NET_ADMIN"}, "daemon")
	s.refused(t, []string{"CAP_NET_ADMIN"}, "net-start", "default")
}

// full fills the file system at dir, of which a tmpfs of 1 MiB is made first,
// with what the directory had.
func (s *site) full(t *testing.T, dir string) {
	t.Helper()
	s.Script(t, `cp -a `+dir+` /run/saved; mount -t tmpfs -o size=1m tmpfs `+dir+`; cp -a /run/saved/. `+dir+`
		dd if=/dev/zero of=`+dir+`/ballast bs=4k 2>/dev/null || true`)
}

func TestNoLeaseIsAcknowledgedOnAFullDisk(t *testing.T) {
	s := newSite(t)
	daemon := s.Daemon(t)
	s.ctl(t, "net-start", "default")
	g := s.Guest(t, "virbr0", "eager")
	g.LinkUp(t)
	clients := g.Clients(t, "eth0")
	if _, err := clients.Get(t.Context(), lab.MAC(1)); err != nil {
		t.Fatal(err)
	}
	daemon.Signal(syscall.SIGTERM)
	daemon.Wait(t)
	s.full(t, "/var/lib/vnetmgr")
	daemon = s.Daemon(t)

	// The store may have room for some more leases. What is acknowledged has
	// to be there after a crash; what finds no room gets no answer.
	acked := make(map[string]string)
	unanswered := 0
	for n := uint32(100); n < 350 && unanswered < 3; n++ {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		reply, err := clients.Get(ctx, lab.MAC(n))
		cancel()
		if err != nil {
			unanswered++
			continue
		}
		acked[lab.MAC(n).String()] = reply.Addr.String() + "/24"
	}
	s.ctl(t, "net-list", "--all")
	daemon.Signal(syscall.SIGKILL)
	daemon.Wait(t)
	s.Must(t, "rm", "/var/lib/vnetmgr/ballast")
	s.Daemon(t)
	listed := rows(s.ctl(t, "net-dhcp-leases", "default"))
	for mac, addr := range acked {
		if listed[mac] != addr {
			t.Errorf("%s was acknowledged %s on a full disk and is listed with %q", mac, addr, listed[mac])
		}
	}
	if _, err := clients.Get(t.Context(), lab.MAC(2)); err != nil {
		t.Errorf("with room on the disk again: %v", err)
	}
	t.Logf("%d leases fitted, %d clients had no answer", len(acked), unanswered)
}

func TestDefinitionThatFindsNoRoomIsRefused(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	s.ctl(t, "net-list", "--all")
	s.full(t, "/etc/vnetmgr")
	s.WriteFile(t, "/run/new.xml", `<network><name>new</name><description>`+strings.Repeat("x", 8192)+`</description></network>`, 0o644)
	s.refused(t, []string{"no space left on device"}, "net-define", "/run/new.xml")
	if out := s.ctl(t, "net-list", "--all", "--name"); strings.TrimSpace(out) != "default" {
		t.Errorf("networks: %q", out)
	}
}

func TestDaemonServesDespiteATruncatedLeaseFile(t *testing.T) {
	s := newSite(t)
	daemon := s.Daemon(t)
	s.ctl(t, "net-start", "default")
	g := s.Guest(t, "virbr0", "before")
	if _, ok := g.Udhcpc(t); !ok {
		t.Fatal("no lease")
	}
	daemon.Signal(syscall.SIGKILL)
	daemon.Wait(t)
	s.Script(t, `files=$(find /var/lib/vnetmgr -type f -size +0); test -n "$files"
		for f in $files; do truncate -s $(( $(stat -c %s "$f") / 3 )) "$f"; done`)
	daemon = s.Daemon(t)
	if !strings.Contains(daemon.Log(), "/var/lib/vnetmgr/") {
		t.Errorf("the daemon's log does not name the file:\n%s", daemon.Log())
	}
	if _, ok := s.Guest(t, "virbr0", "after").Udhcpc(t); !ok {
		t.Error("no lease after the file was truncated")
	}
}

// junk is frames and datagrams that no peer sends.
func junk() [][]byte {
	var all [][]byte
	for size := range 600 {
		b := make([]byte, size)
		rand.Read(b)
		all = append(all, b)
	}
	return all
}

func TestDaemonOutlivesJunkOnItsSocket(t *testing.T) {
	s := newSite(t)
	daemon := s.Daemon(t)
	whole := func(length uint32) []byte {
		return binary.BigEndian.AppendUint32(nil, length)
	}
	frames := append(junk(), whole(0), whole(27), whole(1<<31), whole(^uint32(0)), make([]byte, 28))
	for _, frame := range frames {
		c, err := s.Dial(lab.Socket)
		if err != nil {
			t.Fatal(err)
		}
		c.Write(frame)
		c.Close()
	}
	s.ctl(t, "net-list", "--all")
	alive(t, daemon)
}

func TestDaemonOutlivesJunkFromGuests(t *testing.T) {
	s := newSite(t)
	daemon := s.Daemon(t)
	s.ctl(t, "net-start", "default")
	g := s.Guest(t, "virbr0", "hostile")
	if _, ok := g.Udhcpc(t); !ok {
		t.Fatal("no lease")
	}
	for _, port := range []string{"53", "67"} {
		var c net.Conn
		err := g.Net(func() (err error) {
			c, err = net.Dial("udp4", "192.168.122.1:"+port)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, datagram := range junk() {
			c.Write(datagram)
		}
	}
	clients := g.Clients(t, "eth0")
	for _, frame := range junk() {
		clients.Send(append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0}, frame...))
	}
	if _, err := clients.Get(t.Context(), lab.MAC(9)); err != nil {
		t.Errorf("a client after the junk: %v", err)
	}
	if _, ok := g.Resolve(t, "hostile"); !ok {
		t.Error("no names after the junk")
	}
	alive(t, daemon)
}

func alive(t *testing.T, p *lab.Process) {
	t.Helper()
	select {
	case <-p.Done():
		t.Errorf("the daemon ended:\n%s", p.Log())
	default:
	}
}

// Another program may do to our bridge what it likes.
func TestDaemonOutlivesWhatOthersDoToItsBridge(t *testing.T) {
	s := newSite(t)
	daemon := s.Daemon(t)
	s.ctl(t, "net-start", "default")
	g := s.Guest(t, "virbr0", "steady")
	if _, ok := g.Udhcpc(t); !ok {
		t.Fatal("no lease")
	}
	s.Must(t, "ip", "link", "set", "virbr0", "down")
	s.Must(t, "ip", "link", "set", "virbr0", "up")
	if _, ok := g.Udhcpc(t); !ok {
		t.Error("no lease after the bridge was down")
	}
	s.Must(t, "ip", "link", "del", "virbr0")
	s.ctl(t, "net-list", "--all")
	s.ctl(t, "net-destroy", "default")
	s.ctl(t, "net-start", "default")
	g = s.Guest(t, "virbr0", "again")
	if _, ok := g.Udhcpc(t); !ok {
		t.Error("no lease from a network that was destroyed without its bridge and started again")
	}
	alive(t, daemon)
}
