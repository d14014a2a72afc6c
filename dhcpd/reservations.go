package dhcpd

import (
	"net/netip"
	"strings"
)

// reservations are a configuration's, by what they are found by.
type reservations struct {
	byID   map[string]*Reservation
	byMAC  map[string]*Reservation
	byName map[string]*Reservation // those without a MAC or client id
	names  map[string]*Reservation // all names, in lower case
	byAddr map[netip.Addr]*Reservation
}

// newReservations indexes those of all that subnet holds, or that name no
// address. Of two with the same key the first counts.
func newReservations(all []Reservation, subnet netip.Prefix) reservations {
	s := reservations{
		byID:   make(map[string]*Reservation),
		byMAC:  make(map[string]*Reservation),
		byName: make(map[string]*Reservation),
		names:  make(map[string]*Reservation),
		byAddr: make(map[netip.Addr]*Reservation),
	}
	for i := range all {
		if r := &all[i]; !r.hasAddr() || subnet.Contains(r.Addr) {
			s.add(r)
		}
	}
	return s
}

func (s *reservations) add(r *Reservation) {
	name := strings.ToLower(r.Name)
	if len(r.ClientID) > 0 {
		addFirst(s.byID, string(r.ClientID), r)
	}
	if len(r.MAC) > 0 {
		addFirst(s.byMAC, string(r.MAC), r)
	}
	if len(r.ClientID) == 0 && len(r.MAC) == 0 {
		addFirst(s.byName, name, r)
	}
	if name != "" {
		addFirst(s.names, name, r)
	}
	if r.hasAddr() {
		addFirst(s.byAddr, r.Addr, r)
	}
}

// hasAddr tells whether there is a reservation and it names an address.
func (r *Reservation) hasAddr() bool { return r != nil && r.Addr.IsValid() }

func addFirst[K comparable](m map[K]*Reservation, key K, r *Reservation) {
	if _, ok := m[key]; !ok {
		m[key] = r
	}
}

// findRange returns the first range with a, or nil.
func findRange(ranges []Range, a netip.Addr) *Range {
	for i := range ranges {
		if r := &ranges[i]; r.Start.Compare(a) <= 0 && a.Compare(r.End) <= 0 {
			return r
		}
	}
	return nil
}
