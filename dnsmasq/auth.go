package dnsmasq

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vnetmgr/vnetmgr/dns"
)

// auth is what the options about zones of our own say together.
type auth struct {
	server    string
	mailbox   string
	secondary []string
	ttl       uint32
	ttlGiven  bool
	soa       [4]uint32 // serial, refresh, retry, expire; 0 is the default
	zones     []string
}

// dnsmasq's defaults.
const (
	authTTL     = 600
	authRefresh = 1200
	authRetry   = 180
	authExpire  = 1209600
)

func (a *auth) finish(c *dns.Config) {
	if !a.ttlGiven {
		a.ttl = authTTL
	}
	if a.mailbox == "" {
		a.mailbox = "hostmaster." + a.server
	}
	for i, absent := range [...]uint32{0, authRefresh, authRetry, authExpire} {
		if a.soa[i] == 0 {
			a.soa[i] = absent
		}
	}
	for _, z := range a.zones {
		c.Zones = append(c.Zones, dns.Zone{
			Domain: z, Server: a.server, Hostmaster: a.mailbox, Secondary: a.secondary, TTL: a.ttl,
			Serial: a.soa[0], Refresh: a.soa[1], Retry: a.soa[2], Expire: a.soa[3],
		})
	}
}

// authServer reads auth-server=name[,]: the name that the zones' server has.
// A link or address after it would have dnsmasq answer nothing but its zones
// there; the network's own must not become such.
func (r *reader) authServer(arg string) error {
	name, rest, err := nameAnd(arg)
	if err != nil {
		return err
	}
	for _, link := range rest {
		if link != "" {
			return fmt.Errorf("zones are served to the network's guests only, not on %q", link)
		}
	}
	r.auth.server = name
	return nil
}

// authZone reads auth-zone=domain[,prefix...]. The prefixes only say what
// others than the network's own guests may learn.
func (r *reader) authZone(arg string) error {
	name, rest, err := nameAnd(arg)
	if err != nil {
		return err
	}
	if r.auth.server == "" {
		return errors.New("auth-server is needed before")
	}
	for _, text := range rest {
		text = strings.TrimPrefix(text, "exclude:")
		if _, err := netip.ParsePrefix(text); err == nil || text == "" {
			continue
		}
		if _, err := netip.ParseAddr(text); err != nil {
			return fmt.Errorf("bad prefix %q", text)
		}
	}
	r.auth.zones = append(r.auth.zones, name)
	return nil
}

// authSOA reads auth-soa=serial[,hostmaster[,refresh[,retry[,expire]]]].
func (r *reader) authSOA(arg string) error {
	parts := split(arg)
	if len(parts) > 1 && parts[1] != "" {
		r.auth.mailbox = strings.Replace(parts[1], "@", ".", 1)
		if err := checkName(r.auth.mailbox); err != nil {
			return err
		}
	}
	var errs []error
	for i, at := range [...]int{0, 2, 3, 4} {
		n, err := number[uint32](parts, at, 0)
		r.auth.soa[i] = n
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (r *reader) authSecondary(arg string) error {
	for _, name := range split(arg) {
		if err := checkName(name); err != nil {
			return err
		}
		r.auth.secondary = append(r.auth.secondary, name)
	}
	return nil
}

func (r *reader) authTTL(arg string) (err error) {
	r.auth.ttl, err = number[uint32]([]string{arg}, 0, 0)
	r.auth.ttlGiven = true
	return err
}
