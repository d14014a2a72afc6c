package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// network is what a peer is told to serve.
type network struct {
	bridge string
	addr   netip.Prefix // the host's own
	start  netip.Addr   // of the range
	end    netip.Addr
	// held is how many leases exist before anything is measured: the n-th
	// client (lab.MAC) has the n-th address of the range.
	held int
	// named gives those leases host names.
	named bool
	// names is how many local DNS names exist: h0, h1, and so on.
	names int
	// upstream says that other names are asked of loaderAddr.
	upstream bool
	// cache is how many answers dnsmasq's cache holds, for want of a setting
	// of libvirt's only there; 0 is its default, 150.
	cache int
	// files is a directory to serve by TFTP, "" for none.
	files string
}

// peer is a way to serve a network.
type peer struct {
	name string
	// control is the command line that starts and stops networks, for peers
	// that have one.
	control []string
	// programs are the names of the processes that serve the network.
	programs []string
	// serve starts what serves the network and returns once it does.
	serve func(t lab.TB, h *lab.Host, n network)
	// serve6 is serve for a network of IPv6 alone, nil if that is not measured.
	// No leases exist beforehand.
	serve6 func(t lab.TB, h *lab.Host, n network)
	// slow tells that clients never seen wait seconds.
	slow bool
	// noDNS tells that the peer answers no DNS, and sends no files.
	noDNS bool
}

// The command lines of the peers that have one.
var (
	virsh = []string{"virsh", "-c", "qemu:///system"}
	ours  = []string{"vnetmgr"}
)

var peers = map[string]peer{
	"libvirt": {
		name: "libvirt", control: virsh, slow: true,
		programs: []string{"libvirtd", "dnsmasq"}, serve: serveLibvirt,
	},
	"dnsmasq": {name: "dnsmasq", programs: []string{"dnsmasq"}, serve: serveDnsmasq},
	"kea":     {name: "kea", programs: []string{"kea-dhcp4", "kea-dhcp6"}, serve: serveKea, serve6: serveKea6, noDNS: true},
	"vnetmgr": {
		name: "vnetmgr", control: ours,
		programs: []string{"vnetmgr"}, serve: serveVnetmgr, serve6: serveVnetmgr6,
	},
}

// document is the network in XML. The attribute for STP, or none, is that of
// the peer's own network "default".
func (n network) document(stp string) string {
	var b strings.Builder
	forward, family := "<forward mode='nat'/>", ""
	if n.addr.Addr().Is6() {
		forward, family = "", " family='ipv6'"
	}
	fmt.Fprintf(&b, "<network><name>bench</name>%s<bridge name='%s'%s/>", forward, n.bridge, stp)
	if n.held > maxClients {
		// All clients are behind one port.
		b.WriteString("<metadata><dhcp xmlns='https://vnetmgr.org/xmlns/dhcp/1' portLimit='no'/></metadata>")
	}
	b.WriteString("<dns>")
	for i := range n.names {
		fmt.Fprintf(&b, "<host ip='%s'><hostname>h%d</hostname></host>", nth(n.start, i), i)
	}
	if n.upstream {
		fmt.Fprintf(&b, "<forwarder addr='%s'/>", n.loaderAddr())
	}
	root := ""
	if n.files != "" {
		root = fmt.Sprintf("<tftp root='%s'/>", n.files)
	}
	fmt.Fprintf(&b, "</dns><ip%s address='%s' prefix='%d'>%s<dhcp><range start='%s' end='%s'/></dhcp></ip></network>",
		family, n.addr.Addr(), n.addr.Bits(), root, n.start, n.end)
	return b.String()
}

// nth is the address n after a.
func nth(a netip.Addr, n int) netip.Addr {
	b := a.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	v += uint32(n)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// holders calls f for each lease that exists beforehand.
func (n network) holders(f func(mac string, addr netip.Addr)) {
	for i := range n.held {
		f(lab.MAC(clientBase+uint32(i)).String(), nth(n.start, i))
	}
}

// hostname is what the holder of a lease is called, or none.
func (n network) hostname(mac, none string) string {
	if !n.named {
		return none
	}
	return "guest-" + strings.ReplaceAll(mac, ":", "")
}

func serveLibvirt(t lab.TB, h *lab.Host, n network) {
	t.Helper()
	if n.held > 0 {
		var leases []string
		n.holders(func(mac string, addr netip.Addr) {
			leases = append(leases, fmt.Sprintf(`{"ip-address":"%s","mac-address":"%s","hostname":"%s","expiry-time":%d}`, addr, mac, n.hostname(mac, ""), inAnHour()))
		})
		h.Must(t, "mkdir", "-p", "/var/lib/libvirt/dnsmasq")
		h.WriteFile(t, "/var/lib/libvirt/dnsmasq/"+n.bridge+".status", "["+strings.Join(leases, ",")+"]\n", 0o644)
	}
	h.Libvirt(t)
	startByCommand(t, h, n.document(""), virsh)
}

func serveVnetmgr(t lab.TB, h *lab.Host, n network) {
	t.Helper()
	// One guest stands for all; others' share is not what is measured.
	h.Must(t, "mkdir", "-p", "/etc/vnetmgr")
	h.WriteFile(t, "/etc/vnetmgr/vnetmgr.conf", "dns_query_rate = 0\n", 0o644)
	h.Daemon(t)
	startByCommand(t, h, n.document(" stp='off'"), ours)
	if n.held > 0 {
		hold(t, h, n)
	}
}

func serveVnetmgr6(t lab.TB, h *lab.Host, n network) {
	t.Helper()
	h.Daemon(t)
	startByCommand(t, h, n.document(" stp='off'"), ours)
}

func startByCommand(t lab.TB, h *lab.Host, document string, control []string) {
	t.Helper()
	h.WriteFile(t, "/run/bench.xml", document, 0o644)
	h.Must(t, append(control, "net-define", "/run/bench.xml")...)
	h.Must(t, append(control, "net-start", "bench")...)
}

// makeBridge makes the bridge for servers that don't, with a port that keeps
// its carrier up.
func makeBridge(t lab.TB, h *lab.Host, n network) {
	t.Helper()
	h.Script(t, fmt.Sprintf(`ip link add %[1]s type bridge stp_state 0 forward_delay 0
		ip addr add %[2]s dev %[1]s
		ip link set %[1]s up
		ip link add keep0 type veth peer name keep1
		ip link set keep0 master %[1]s up
		ip link set keep1 up`, n.bridge, n.addr))
}

func serveDnsmasq(t lab.TB, h *lab.Host, n network) {
	t.Helper()
	makeBridge(t, h, n)
	var leases, hosts strings.Builder
	n.holders(func(mac string, addr netip.Addr) {
		fmt.Fprintf(&leases, "%d %s %s %s *\n", inAnHour(), mac, addr, n.hostname(mac, "*"))
	})
	for i := range n.names {
		fmt.Fprintf(&hosts, "%s h%d\n", nth(n.start, i), i)
	}
	h.WriteFile(t, "/run/leases", leases.String(), 0o644)
	h.WriteFile(t, "/run/hosts", hosts.String(), 0o644)
	args := []string{"dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--user=root", "--no-ping", "--no-hosts", "--no-resolv",
		"--bind-interfaces", "--except-interface=lo", "--interface=" + n.bridge, "--dhcp-authoritative", "--dhcp-lease-max=100000",
		"--dhcp-leasefile=/run/leases", "--addn-hosts=/run/hosts",
		fmt.Sprintf("--dhcp-range=%s,%s,%s", n.start, n.end, mask(n.addr.Bits()))}
	if n.upstream {
		args = append(args, "--server="+n.loaderAddr().String())
	}
	if n.cache > 0 {
		args = append(args, fmt.Sprintf("--cache-size=%d", n.cache))
	}
	if n.files != "" {
		args = append(args, "--enable-tftp", "--tftp-root="+n.files)
	}
	h.Start(t, args...)
	waitPort67(t, h)
}

func serveKea(t lab.TB, h *lab.Host, n network) {
	t.Helper()
	makeBridge(t, h, n)
	leases := new(strings.Builder)
	leases.WriteString("address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n")
	n.holders(func(mac string, addr netip.Addr) {
		fmt.Fprintf(leases, "%s,%s,,3600,%d,1,0,0,,0,\n", addr, mac, inAnHour())
	})
	h.WriteFile(t, "/run/leases.csv", leases.String(), 0o644)
	h.WriteFile(t, "/run/kea.conf", fmt.Sprintf(`{"Dhcp4": {
		"interfaces-config": {"interfaces": [%q], "dhcp-socket-type": "raw"},
		"lease-database": {"type": "memfile", "persist": true, "name": "/run/leases.csv", "lfc-interval": 0},
		"valid-lifetime": 3600, "multi-threading": {"enable-multi-threading": true},
		"loggers": [{"name": "kea-dhcp4", "severity": "ERROR"}],
		"subnet4": [{"id": 1, "subnet": %q, "interface": %q, "pools": [{"pool": "%s - %s"}]}]}}`,
		n.bridge, n.addr.Masked(), n.bridge, n.start, n.end), 0o644)
	h.Env = append(h.Env, "KEA_PIDFILE_DIR=/run", "KEA_LOCKFILE_DIR=none")
	h.Start(t, "kea-dhcp4", "-c", "/run/kea.conf")
	waitPort67(t, h)
}

func serveKea6(t lab.TB, h *lab.Host, n network) {
	t.Helper()
	makeBridge(t, h, n)
	h.WriteFile(t, "/run/kea.conf", fmt.Sprintf(`{"Dhcp6": {
		"interfaces-config": {"interfaces": [%q]},
		"lease-database": {"type": "memfile", "persist": true, "name": "/run/leases.csv", "lfc-interval": 0},
		"server-id": {"type": "LL", "identifier": "525400000001", "persist": false},
		"valid-lifetime": 3600, "multi-threading": {"enable-multi-threading": true},
		"loggers": [{"name": "kea-dhcp6", "severity": "ERROR"}],
		"subnet6": [{"id": 1, "subnet": %q, "interface": %q, "pools": [{"pool": "%s - %s"}]}]}}`,
		n.bridge, n.addr.Masked(), n.bridge, n.start, n.end), 0o644)
	h.Env = append(h.Env, "KEA_PIDFILE_DIR=/run", "KEA_LOCKFILE_DIR=none")
	// It needs the bridge's link-local address to be there.
	lab.Eventually(t, 30*time.Second, "the bridge's link-local address", func() bool {
		out := h.Must(t, "ip", "-6", "addr", "show", "dev", n.bridge, "scope", "link")
		return strings.Contains(out, "fe80") && !strings.Contains(out, "tentative")
	})
	h.Start(t, "kea-dhcp6", "-c", "/run/kea.conf")
	lab.Eventually(t, 30*time.Second, "a DHCPv6 server listens", func() bool {
		return strings.Contains(h.Must(t, "ss", "-Hlunp"), ":547 ")
	})
}

func waitPort67(t lab.TB, h *lab.Host) {
	t.Helper()
	lab.Eventually(t, 30*time.Second, "a DHCP server listens", func() bool {
		return strings.Contains(h.Must(t, "ss", "-Hlunp"), ":67 ")
	})
}

func inAnHour() int64 { return time.Now().Add(time.Hour).Unix() }

func mask(bits int) netip.Addr {
	v := ^uint32(0) << (32 - bits)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// resident is the memory of the programs on the host, in bytes.
func resident(t lab.TB, h *lab.Host, programs []string) float64 {
	t.Helper()
	total := 0.0
	for _, program := range programs {
		for _, pid := range h.Pids(t, program) {
			status, err := h.ReadFile("/proc/" + pid + "/status")
			if err != nil {
				t.Fatalf("%v", err)
			}
			var kb float64
			_, after, _ := strings.Cut(string(status), "VmRSS:")
			fmt.Sscan(after, &kb)
			total += kb * 1024
		}
	}
	if total == 0 {
		t.Fatalf("none of %v runs", programs)
	}
	return total
}
