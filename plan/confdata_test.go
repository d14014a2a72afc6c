package plan

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// observed is what clients of a network can tell of its services: what the
// lines of dnsmasq's configuration mean, and what a plan does.
type observed struct {
	Link             string
	DNS, Resolv      bool
	NoPlainNames     bool
	Forwarders       []string
	DomainForwarders []string // domain address; address "" is as for the rest
	LocalZones       []string
	Domain           string
	TXT, SRV         []string
	Ranges4, Ranges6 []string // start-end lease
	Hosts4, Hosts6   []string // key addr name lease
	Subnet4, Subnet6 string   // of DHCP
	Router           bool
	MTU              int
	BootFile         string
	BootServer       string
	TFTPRoot         string
	Authoritative6   bool
	Advertised       []string // prefixes for guests to make addresses of
	Managed          bool     // addresses from DHCPv6
	NoRouter         bool     // router lifetime 0
	LeaseMax         int
}

// readConf interprets dnsmasq's configuration as libvirt writes it for n, and
// the hosts file beside it. Lines that it does not know are an error.
func readConf(n *xmlnet.Network, conf, hosts string) (observed, error) {
	o := observed{DNS: true, Resolv: true, Router: true}
	for line := range strings.SplitSeq(conf, "\n") {
		key, value, _ := strings.Cut(line, "=")
		if line == "" || strings.HasPrefix(line, "#") || slices.Contains([]string{"strict-order", "bind-dynamic", "pid-file", "except-interface", "expand-hosts", "addn-hosts", "dhcp-hostsfile", "enable-tftp", "dhcp-no-override"}, key) {
			continue
		}
		if err := o.line(key, value, line); err != nil {
			return o, err
		}
	}
	dhcp4 := len(o.Ranges4) > 0 || o.Subnet4 != ""
	o.Authoritative6 = o.Authoritative6 && o.Subnet6 != ""
	if !dhcp4 {
		o.Router = false
	}
	o.NoRouter = o.NoRouter && (o.Managed || len(o.Advertised) > 0)
	for line := range strings.Lines(hosts) {
		o.host(strings.Split(strings.TrimSpace(line), ","))
	}
	o.defaults(n)
	return o, nil
}

// defaults fills in what dnsmasq takes from the bridge: the prefixes that it
// advertises with the length that they have there.
func (o *observed) defaults(n *xmlnet.Network) {
	for _, ip := range n.IPs {
		for i, a := range o.Advertised {
			if a == ip.Prefix.Addr().String() {
				o.Advertised[i] = ip.Prefix.Masked().String()
			}
		}
		if o.Subnet4 == ip.Prefix.Addr().String() {
			o.Subnet4 = ip.Prefix.Masked().String()
		}
	}
}

func (o *observed) line(key, value, line string) error {
	parts := strings.Split(value, ",")
	switch key {
	case "interface":
		o.Link = value
	case "port":
		o.DNS, o.Resolv = false, false
	case "no-resolv":
		o.Resolv = false
	case "server":
		o.server(value)
	case "local":
		if value == "//" {
			o.NoPlainNames = true
			return nil
		}
		o.LocalZones = append(o.LocalZones, strings.Trim(value, "/"))
	case "domain-needed":
		o.NoPlainNames = true
	case "domain":
		o.Domain = value
	case "txt-record":
		o.TXT = append(o.TXT, fmt.Sprintf("%s %q", parts[0], strings.Join(parts[1:], ",")))
	case "srv-host":
		o.srv(parts)
	case "tftp-root":
		o.TFTPRoot = value
	case "ra-param":
		o.NoRouter = parts[len(parts)-1] == "0"
	case "enable-ra":
		o.Managed = true
	case "dhcp-range":
		o.dhcpRange(parts)
	case "dhcp-authoritative":
		o.Authoritative6 = true
	case "dhcp-boot":
		o.BootFile = parts[0]
		if len(parts) > 2 {
			o.BootServer = parts[2]
		}
	case "dhcp-lease-max":
		o.LeaseMax, _ = strconv.Atoi(value)
	case "dhcp-option":
		switch {
		case value == "3":
			o.Router = false
		case parts[0] == "option:mtu":
			o.MTU, _ = strconv.Atoi(parts[1])
		default:
			return errors.New(line)
		}
	default:
		return errors.New(line)
	}
	return nil
}

func (o *observed) server(value string) {
	if !strings.HasPrefix(value, "/") {
		o.Forwarders = append(o.Forwarders, value)
		return
	}
	parts := strings.Split(value, "/")
	o.DomainForwarders = append(o.DomainForwarders, parts[1]+" "+strings.Trim(parts[2], "#"))
}

func (o *observed) srv(parts []string) {
	record := []string{parts[0], "", "1", "0", "0"}
	copy(record, parts)
	if record[1] == "." {
		record[1] = ""
	}
	o.SRV = append(o.SRV, strings.Join(record, " "))
}

func (o *observed) dhcpRange(parts []string) {
	start := netip.MustParseAddr(parts[0])
	switch {
	case parts[1] == "ra-only":
		o.Advertised = append(o.Advertised, parts[0])
	case parts[1] == "static" && start.Is4():
		o.Subnet4 = parts[0]
	case parts[1] == "static":
		o.Subnet6 = prefixOf(start, parts[2])
	case start.Is4():
		mask := netip.MustParseAddr(parts[2]).As4()
		bits, _ := net.IPMask(mask[:]).Size()
		o.Subnet4 = prefixOf(start, strconv.Itoa(bits))
		o.Ranges4 = append(o.Ranges4, parts[0]+"-"+parts[1]+" "+leaseOf(parts[3:]))
	default:
		o.Subnet6 = prefixOf(start, parts[2])
		o.Ranges6 = append(o.Ranges6, parts[0]+"-"+parts[1]+" "+leaseOf(parts[3:]))
	}
}

func prefixOf(a netip.Addr, bits string) string {
	n, _ := strconv.Atoi(bits)
	return netip.PrefixFrom(a, n).Masked().String()
}

// leaseOf is a lease time as dnsmasq writes it, if there is one.
func leaseOf(rest []string) string {
	if len(rest) == 0 {
		return "default"
	}
	if d, err := time.ParseDuration(rest[0]); err == nil {
		return d.String()
	}
	return rest[0]
}

var leaseText4 = regexp.MustCompile(`^(\d+[smh]|infinite)$`)

// host reads one line of the hosts file.
func (o *observed) host(fields []string) {
	lease := "default"
	if last := fields[len(fields)-1]; leaseText4.MatchString(last) {
		lease, fields = leaseOf([]string{last}), fields[:len(fields)-1]
	}
	key, addr, name := fields[0], "", ""
	for _, f := range fields[1:] {
		if a, err := netip.ParseAddr(strings.Trim(f, "[]")); err == nil {
			addr = a.String()
		} else {
			name = f
		}
	}
	switch mac, err := net.ParseMAC(key); {
	case strings.HasPrefix(key, "id:"):
		key = hex.EncodeToString(duid(key[3:]))
	case err == nil:
		key = mac.String()
	default:
		key, name = "name", key
	}
	text := strings.Join([]string{key, addr, name, lease}, " ")
	if strings.Contains(addr, ":") {
		o.Hosts6 = append(o.Hosts6, text)
	} else {
		o.Hosts4 = append(o.Hosts4, text)
	}
}

// observe is what p does.
func observe(p *Plan) observed {
	o := observed{Link: p.Link(), DNS: p.DNS != nil}
	if d := p.DNS; d != nil {
		o.Resolv, o.NoPlainNames, o.LocalZones, o.Domain = d.Resolv, d.NoPlainNames, d.LocalZones, d.Domain
		for _, f := range d.Forwarders {
			o.Forwarders = append(o.Forwarders, f.Addr().String())
		}
		for _, f := range d.DomainForwarders {
			to := ""
			if len(f.Servers) > 0 {
				to = f.Servers[0].Addr().String()
			}
			o.DomainForwarders = append(o.DomainForwarders, f.Domain+" "+to)
		}
		for _, r := range d.TXT {
			o.TXT = append(o.TXT, fmt.Sprintf("%s %q", r.Name, r.Value))
		}
		for _, r := range d.SRV {
			o.SRV = append(o.SRV, fmt.Sprintf("%s %s %d %d %d", r.Name, r.Target, r.Port, r.Priority, r.Weight))
		}
	}
	if p.TFTP != nil {
		o.TFTPRoot = p.TFTP.Root
	}
	o.dhcp(p)
	if ra := p.RA; ra != nil {
		o.Managed, o.NoRouter = ra.Managed, ra.Lifetime == 0
		for _, prefix := range ra.Prefixes {
			if prefix.Autonomous {
				o.Advertised = append(o.Advertised, prefix.Prefix.String())
			}
		}
	}
	return o
}

func (o *observed) dhcp(p *Plan) {
	if d := p.DHCP4; d != nil {
		o.Subnet4, o.Router, o.MTU, o.BootFile, o.Domain = d.Server.Masked().String(), d.Router, d.MTU, d.BootFile, d.Domain
		if d.BootServer.IsValid() {
			o.BootServer = d.BootServer.String()
		}
		o.Ranges4 = o.ranges(d.Ranges)
		for _, r := range d.Reservations {
			o.Hosts4 = append(o.Hosts4, reserved(r, r.MAC.String()))
		}
	}
	if d := p.DHCP6; d != nil {
		o.Subnet6, o.Authoritative6 = d.Server.Masked().String(), d.Authoritative
		o.Ranges6 = o.ranges(d.Ranges)
		for _, r := range d.Reservations {
			if r.Addr.IsValid() { // the others keep names of IPv4 hosts for them
				o.Hosts6 = append(o.Hosts6, reserved(r, hex.EncodeToString(r.ClientID)))
			}
		}
	}
}

// ranges prints ranges, and counts their addresses.
func (o *observed) ranges(all []dhcpd.Range) (text []string) {
	for _, r := range all {
		text = append(text, fmt.Sprintf("%s-%s %s", r.Start, r.End, leaseText(r.Lease)))
		for a := r.Start; a.Compare(r.End) <= 0; a = a.Next() {
			o.LeaseMax++
		}
	}
	return text
}

func reserved(r dhcpd.Reservation, key string) string {
	if key == "" {
		key = "name"
	}
	return strings.Join([]string{key, r.Addr.String(), r.Name, leaseText(r.Lease)}, " ")
}

// TestServicesAreWhatLibvirtsConfigurationMeans reads libvirt's cases, where
// they are beside the repository: the definition, and the configuration of
// dnsmasq that libvirt writes for it.
func TestServicesAreWhatLibvirtsConfigurationMeans(t *testing.T) {
	files, _ := filepath.Glob("../../shared/corpus/networkxml2confdata/*.conf")
	if len(files) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("libvirt's cases are not there")
		}
		t.Log("no shared/corpus beside the repository")
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".conf")
		t.Run(name, func(t *testing.T) {
			base := strings.TrimSuffix(file, ".conf")
			conf, hosts := mustRead(t, file), ""
			if strings.Contains(conf, "dhcp-hostsfile") {
				if text, err := os.ReadFile(base + ".hostsfile"); err == nil {
					hosts = string(text)
				}
			}
			n, _, err := xmlnet.Parse([]byte(mustRead(t, base+".xml")))
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Complete(func(string) bool { return false }); err != nil {
				t.Fatal(err)
			}
			want, err := readConf(n, conf, hosts)
			p, refused := Make(n, bridge.Host{})
			if err != nil {
				// dnsmasq does not know such an option, and the network does not start.
				if refused == nil || !strings.Contains(refused.Error(), "foo") || !strings.Contains(conf, "\nfoo=bar\n") {
					t.Errorf("line %v: planned, with %v", err, refused)
				}
				return
			}
			if refused != nil {
				t.Fatal(refused)
			}
			if diff := cmp.Diff(want, observe(p)); diff != "" {
				t.Errorf("(-libvirt's +ours):\n%s", diff)
			}
		})
	}
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
