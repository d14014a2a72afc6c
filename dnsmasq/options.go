// Package dnsmasq reads options as dnsmasq's configuration file has them, which
// a network's definition may hold (libvirt's dnsmasq namespace), and says what
// they mean for our own servers. What it does not know, or cannot do as
// dnsmasq does, is an error that names the option. The meanings are those of
// dnsmasq(8), version 2.90, after the lines that libvirt writes itself.
package dnsmasq

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
)

// Options is what a list of options says, beyond what the servers do anyway.
type Options struct {
	// DNS has the fields set that options set; the rest is zero. Its Domain is
	// DHCP's as well.
	DNS   dns.Config
	Names []dns.Name
	// ExtraForwarders: the servers in DNS.Forwarders come before the host's
	// upstreams, which NoResolv leaves out.
	NoResolv bool
	NoDNS    bool // port=0

	Rules        dhcpd.Rules // of DHCPv4
	Rules6       dhcpd.Rules // of DHCPv6
	Ranges       []Range
	Reservations []dhcpd.Reservation
	// Reservations6 are the same hosts as DHCPv6 knows them. An address whose
	// first half is zero is to be completed with the subnet's.
	Reservations6 []dhcpd.Reservation
	NoProbe       bool
	LogRequests   bool

	TFTP     bool
	TFTPRoot string
	// TFTPFixedBlock is for boot ROMs that ask for a block size they cannot do.
	TFTPFixedBlock bool

	// Links and Addrs are what the servers are told to listen on; the plan
	// knows whether they do.
	Links []Placed[string]
	Addrs []Placed[netip.Addr]
}

// Range is a range of addresses to give; without an End, those at Start's
// network that are reserved.
type Range struct {
	dhcpd.Range
	Place Place
}

// Place is where an option stands.
type Place struct {
	Index int    // in the list, from 1
	Text  string // the option as given
}

// Placed is a value and where it comes from.
type Placed[T any] struct {
	Value T
	Place Place
}

// Error refuses an option.
type Error struct {
	Place
	Why string
}

func (e *Error) Error() string {
	return fmt.Sprintf("dnsmasq:option[%d] '%s': %s", e.Index, e.Text, e.Why)
}

// Errorf returns an *Error about the option at p.
func (p Place) Errorf(format string, args ...any) error {
	return &Error{p, fmt.Sprintf(format, args...)}
}

// Parse reads a network's options in their order. The error is an *Error.
func Parse(options []string) (*Options, error) {
	r := reader{o: new(Options)}
	for i, text := range options {
		r.place = Place{i + 1, text}
		if err := r.line(text); err != nil {
			return nil, r.place.Errorf("%s", err)
		}
	}
	r.finish()
	return r.o, nil
}

// A reader reads options one by one.
type reader struct {
	o     *Options
	place Place
	mail  []mx // whose default target may follow
	mx    string
	auth  auth
}

// line reads one option.
func (r *reader) line(text string) error {
	text, err := unquote(text)
	if err != nil || text == "" {
		return err
	}
	name, arg, given := strings.Cut(text, "=")
	name, arg = strings.TrimRight(name, " "), strings.TrimLeft(arg, " ")
	o, known := options[name]
	switch {
	case !known && refused[name] != "":
		return fmt.Errorf("%s is not supported: %s", name, refused[name])
	case !known:
		return fmt.Errorf("unknown option %q", name)
	case o.flag != nil && given:
		return fmt.Errorf("%s takes no value", name)
	case o.flag != nil:
		o.flag(r.o)
		return nil
	case !given && !o.optional:
		return fmt.Errorf("%s needs a value", name)
	}
	return o.value(r, arg)
}

// finish puts together what several options say.
func (r *reader) finish() {
	for _, m := range r.mail {
		r.o.DNS.Records = append(r.o.DNS.Records, m.record(r.mx))
	}
	r.auth.finish(&r.o.DNS)
}
