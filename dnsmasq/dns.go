package dnsmasq

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/dns"
)

// dnsPort is where servers listen if nothing else is said.
const dnsPort = 53

// domainsOf reads "/domain/domain/value"; domains is nil if there are none.
func domainsOf(arg string) (domains []string, rest string, err error) {
	arg, ok := strings.CutPrefix(shown(arg), "/")
	if !ok {
		return nil, arg, nil
	}
	parts := strings.Split(arg, "/")
	if len(parts) < 2 {
		return nil, "", errors.New("a domain ends with a slash")
	}
	last := len(parts) - 1
	for _, d := range parts[:last] {
		if d = strings.Trim(d, "."); d == "#" {
			d = "."
		}
		if d != "" && d != "." {
			if err := checkName(d); err != nil {
				return nil, "", err
			}
		}
		domains = append(domains, d)
	}
	return domains, strings.TrimSpace(parts[last]), nil
}

// checkName refuses what is no domain name, and the wildcards of server= and
// address=, which would match parts of labels.
func checkName(name string) error {
	name = strings.TrimSuffix(name, ".")
	if len(name) > 253 {
		return fmt.Errorf("name %q is too long", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.ContainsAny(label, " */\\\t") {
			return fmt.Errorf("%q is not a domain name", name)
		}
	}
	return nil
}

// address reads address=/domain/.../address: names in the domains have it. No
// address means that they do not exist, "#" the null addresses.
func (r *reader) address(arg string) error {
	domains, to, err := domainsOf(arg)
	if err != nil {
		return err
	}
	if domains == nil {
		domains = []string{"."}
	}
	var addrs []netip.Addr
	switch to {
	case "":
		return r.keepLocal(domains)
	case "#":
		addrs = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	default:
		a, err := netip.ParseAddr(to)
		if err != nil {
			return fmt.Errorf("bad address %q", to)
		}
		addrs = []netip.Addr{a}
	}
	for _, d := range domains {
		for _, a := range addrs {
			r.o.DNS.Addresses = append(r.o.DNS.Addresses, dns.DomainAddress{Domain: d, Addr: a})
		}
	}
	return nil
}

// keepLocal makes domains ones that nobody else is asked for; "" is that of
// all plain names.
func (r *reader) keepLocal(domains []string) error {
	for _, d := range domains {
		if d == "" {
			r.o.DNS.NoPlainNames = true
			continue
		}
		r.o.DNS.LocalZones = append(r.o.DNS.LocalZones, d)
	}
	return nil
}

// server reads server=[/domain/.../][address[#port]], and local=, which is the
// same.
func (r *reader) server(arg string) error {
	domains, to, err := domainsOf(arg)
	if err != nil {
		return err
	}
	if to == "" {
		if domains == nil {
			return errors.New("neither a domain nor a server")
		}
		return r.keepLocal(domains)
	}
	var servers []netip.AddrPort
	if to != "#" {
		s, err := parseServer(to)
		if err != nil {
			return err
		}
		servers = []netip.AddrPort{s}
	}
	return r.forward(domains, servers)
}

func (r *reader) forward(domains []string, servers []netip.AddrPort) error {
	if domains == nil {
		domains = []string{"."}
	}
	for _, d := range domains {
		switch {
		case d == "":
			return errors.New("servers for plain names only are not supported")
		case d == ".":
			r.o.DNS.Forwarders = append(r.o.DNS.Forwarders, servers...)
		default:
			r.o.DNS.DomainForwarders = append(r.o.DNS.DomainForwarders, dns.DomainForwarder{Domain: d, Servers: servers})
		}
	}
	return nil
}

// parseServer reads address[#port].
func parseServer(text string) (netip.AddrPort, error) {
	if strings.Contains(text, "@") {
		return netip.AddrPort{}, fmt.Errorf("server %q: a source address or link is not supported", text)
	}
	host, port, given := strings.Cut(text, "#")
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("bad server address %q", host)
	}
	if !given {
		return netip.AddrPortFrom(a, dnsPort), nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return netip.AddrPort{}, fmt.Errorf("bad port %q", port)
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}

// revServer reads rev-server=prefix[,address[#port]]: where reverse names go.
func (r *reader) revServer(arg string) error {
	parts := split(arg)
	p, err := netip.ParsePrefix(parts[0])
	if err != nil || len(parts) > 2 {
		return fmt.Errorf("bad prefix %q", parts[0])
	}
	zone, err := reverseZone(p.Masked())
	if err != nil {
		return err
	}
	if len(parts) == 1 || parts[1] == "" {
		return r.keepLocal([]string{zone})
	}
	s, err := parseServer(parts[1])
	if err != nil {
		return err
	}
	return r.forward([]string{zone}, []netip.AddrPort{s})
}

// reverseZone names the reverse zone of a prefix (RFC 1035 §3.5, RFC 3596 §2.5).
func reverseZone(p netip.Prefix) (string, error) {
	step, end := 8, "in-addr.arpa"
	b, digits := p.Addr().AsSlice(), func(v byte) []string { return []string{strconv.Itoa(int(v))} }
	if p.Addr().Is6() {
		step, end = 4, "ip6.arpa"
		digits = func(v byte) []string {
			return []string{strconv.FormatInt(int64(v>>4), 16), strconv.FormatInt(int64(v&15), 16)}
		}
	}
	if p.Bits()%step != 0 {
		return "", fmt.Errorf("prefix length %d is not a multiple of %d", p.Bits(), step)
	}
	var labels []string
	for _, v := range b {
		labels = append(labels, digits(v)...)
	}
	zone := end
	for _, l := range labels[:p.Bits()/step] {
		zone = l + "." + zone
	}
	return zone, nil
}

// rebindDomains reads rebind-domain-ok=domain or /domain/domain/.
func (r *reader) rebindDomains(arg string) error {
	for d := range strings.SplitSeq(strings.Trim(shown(arg), "/"), "/") {
		if err := checkName(d); err != nil {
			return err
		}
		r.o.DNS.Shaping.RebindDomains = append(r.o.DNS.Shaping.RebindDomains, d)
	}
	return nil
}

func (r *reader) bogus(arg string) error {
	text := shown(arg)
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("bad address %q", text)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	r.o.DNS.Shaping.Bogus = append(r.o.DNS.Shaping.Bogus, p.Masked())
	return nil
}

// cacheSize reads cache-size: none at 0. Otherwise the cache is that of all
// networks, which is larger than dnsmasq lets any be by default.
func (r *reader) cacheSize(arg string) error {
	n, err := strconv.ParseUint(arg, 10, 31)
	if err != nil {
		return fmt.Errorf("bad number %q", arg)
	}
	r.o.DNS.Shaping.NoCache = n == 0
	return nil
}

func (r *reader) localTTL(arg string) error {
	n, err := strconv.ParseUint(arg, 10, 31)
	if err != nil {
		return fmt.Errorf("bad number of seconds %q", arg)
	}
	r.o.DNS.LocalTTL = uint32(n)
	return nil
}

// seconds reads a number of seconds into a field, at most limit if that is set.
func seconds(field func(*Options) *time.Duration, limit time.Duration) option {
	return value(func(r *reader, arg string) error {
		n, err := strconv.ParseUint(arg, 10, 31)
		if err != nil {
			return fmt.Errorf("bad number of seconds %q", arg)
		}
		d := time.Duration(n) * time.Second
		if limit > 0 {
			d = min(d, limit)
		}
		*field(r.o) = d
		return nil
	})
}

// port reads port: 0 is no DNS at all.
func (r *reader) port(arg string) error {
	switch arg {
	case "0":
		r.o.NoDNS = true
	case "53":
	default:
		return errors.New("DNS is served on port 53, or with port=0 not at all")
	}
	return nil
}

// domain reads domain=name, or name with "#" for the host's, or for a range.
func (r *reader) domain(arg string) error {
	parts := split(arg)
	if len(parts) > 1 || parts[0] == "#" {
		return errors.New("a network has one domain, given by name")
	}
	if err := checkName(parts[0]); err != nil {
		return err
	}
	r.o.DNS.Domain = parts[0]
	return nil
}

func (r *reader) addnHosts(arg string) error {
	path := shown(arg)
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("%q is not an absolute path", path)
	}
	r.o.DNS.HostsFiles = append(r.o.DNS.HostsFiles, path)
	return nil
}

// decodeHex reads bytes in hexadecimal, with or without colons or spaces.
func decodeHex(text string) ([]byte, error) {
	b, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "").Replace(text))
	if err != nil {
		return nil, fmt.Errorf("bad hexadecimal %q", text)
	}
	return b, nil
}
