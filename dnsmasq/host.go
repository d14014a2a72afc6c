package dnsmasq

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/dhcpd"
)

// dhcpHost reads dhcp-host=[mac,...][id:id][set:tag,...][address][[IPv6 address]][name][time][ignore]
// in any order.
func (r *reader) dhcpHost(arg string) error {
	var h dhcpd.Reservation
	var six netip.Addr
	var macs []net.HardwareAddr
	for _, part := range split(arg) {
		if strings.HasPrefix(part, "[") {
			a, err := addr6(part)
			if err != nil {
				return err
			}
			six = a
			continue
		}
		mac, err := hostPart(&h, part)
		if err != nil {
			return err
		}
		if mac != nil {
			macs = append(macs, mac)
		}
	}
	switch {
	case len(macs) == 0 && h.ClientID == nil && h.Name == "":
		return errors.New("neither a MAC, nor an id, nor a name says which host")
	case len(macs) == 0:
		macs = []net.HardwareAddr{nil}
	}
	for _, mac := range macs {
		h.MAC = mac
		r.o.Reservations = append(r.o.Reservations, h)
		h6 := h
		h6.Addr = six
		r.o.Reservations6 = append(r.o.Reservations6, h6)
	}
	return nil
}

// hostPart reads one part of dhcp-host into h, or returns it if it is a MAC.
func hostPart(h *dhcpd.Reservation, part string) (net.HardwareAddr, error) {
	if kind, what, ok := strings.Cut(part, ":"); ok {
		switch kind {
		case "set", "net":
			h.Tags = append(h.Tags, what)
			return nil, nil
		case "tag":
			return nil, errors.New("tag: is not supported here")
		case "id":
			return nil, hostID(h, what)
		}
		mac, err := net.ParseMAC(part)
		if err != nil || len(mac) != 6 {
			return nil, fmt.Errorf("bad MAC %q", part)
		}
		return mac, nil
	}
	if a, err := netip.ParseAddr(part); err == nil {
		h.Addr = a
		return nil, nil
	}
	if part == "ignore" {
		h.Ignore = true
		return nil, nil
	}
	if t, ok := leaseTime(part); ok {
		h.Lease = t
		return nil, nil
	}
	if part == "" {
		return nil, nil
	}
	h.Name = part
	return nil, checkName(part)
}

// hostID reads a client identifier: hexadecimal bytes, or text.
func hostID(h *dhcpd.Reservation, text string) error {
	if text == "" || text == "*" {
		return fmt.Errorf("client id %q is not supported", text)
	}
	if d, ok := hexDatum(text, false); ok {
		h.ClientID = d.bytes
	} else {
		h.ClientID = bytes.Clone([]byte(text))
	}
	return nil
}

// leaseTime reads a number of seconds, or of minutes, hours, days or weeks with
// their first letter, or "infinite".
func leaseTime(text string) (t dhcpd.LeaseTime, ok bool) {
	if text == "infinite" {
		return dhcpd.LeaseTime{Infinite: true}, true
	}
	unit := time.Second
	if text != "" {
		units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
		if u, ok := units[text[len(text)-1]|' ']; ok {
			unit, text = u, text[:len(text)-1]
		}
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || time.Duration(n)*unit >= 1<<32*time.Second {
		return t, false
	}
	return dhcpd.LeaseTime{Duration: max(time.Duration(n)*unit, 2*time.Minute)}, true
}

// dhcpRange reads dhcp-range=[set:tag,]start[,end|static][,netmask[,broadcast]][,time].
func (r *reader) dhcpRange(arg string) error {
	got := Range{Place: r.place}
	var addrs []netip.Addr
	static := false
	for _, part := range split(arg) {
		a, err := netip.ParseAddr(part)
		tag, sets := strings.CutPrefix(part, "set:")
		t, isTime := leaseTime(part)
		switch {
		case err == nil && a.Is6(), strings.HasPrefix(part, "::"), part == "ra-only", part == "slaac":
			return errors.New(ipv6)
		case err == nil:
			addrs = append(addrs, a)
		case sets:
			got.Tags = append(got.Tags, tag)
		case isTime && len(addrs) > 0:
			got.Lease = t
		case part == "static" && len(addrs) == 1:
			static = true
		default:
			return fmt.Errorf("%q is not supported here", part)
		}
	}
	switch {
	case len(addrs) == 0, len(addrs) == 1 && !static, len(addrs) > 4:
		return errors.New("a start and an end are needed")
	case !static:
		got.End = addrs[1]
	}
	got.Start = addrs[0]
	if got.End.IsValid() && got.End.Less(got.Start) {
		got.Start, got.End = got.End, got.Start
	}
	r.o.Ranges = append(r.o.Ranges, got)
	return nil
}
