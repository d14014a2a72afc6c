package dnsmasq

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vnetmgr/vnetmgr/dns"
)

// Types of records (RFC 1035 §3.2.2, RFC 3403, RFC 8659).
const (
	typePTR   = 12
	typeMX    = 15
	typeTXT   = 16
	typeNAPTR = 35
	typeCAA   = 257
)

// nameAnd reads a list that begins with a name.
func nameAnd(arg string) (name string, rest []string, err error) {
	parts := split(arg)
	return parts[0], parts[1:], checkName(parts[0])
}

func (r *reader) record(rec dns.Record) {
	r.o.DNS.Records = append(r.o.DNS.Records, rec)
}

// number reads parts[i], absent if there are fewer.
func number[T uint8 | uint16 | uint32](parts []string, i int, absent T) (T, error) {
	if i >= len(parts) || parts[i] == "" {
		return absent, nil
	}
	n, err := strconv.ParseUint(parts[i], 10, 32)
	if err != nil || uint64(T(n)) != n {
		return 0, fmt.Errorf("bad number %q", parts[i])
	}
	return T(n), nil
}

// hostRecord reads host-record=name,...[,address][,address][,ttl].
func (r *reader) hostRecord(arg string) error {
	var n dns.Name
	var addrs []netip.Addr
	parts := split(arg)
	for i, p := range parts {
		if a, err := netip.ParseAddr(p); err == nil {
			addrs = append(addrs, a)
			continue
		}
		if ttl, err := strconv.ParseUint(p, 10, 31); err == nil && i == len(parts)-1 && i > 0 {
			n.TTL = uint32(ttl)
			continue
		}
		if err := checkName(p); err != nil {
			return err
		}
		n.Names = append(n.Names, p)
	}
	if len(n.Names) == 0 || len(addrs) == 0 {
		return errors.New("a name and an address are needed")
	}
	for _, a := range addrs {
		n.Addr, n.Exact, n.Source = a, true, "host-record"
		r.o.Names = append(r.o.Names, n)
	}
	return nil
}

// cname reads cname=alias,[alias,...]target[,ttl].
func (r *reader) cname(arg string) error {
	parts := split(arg)
	var ttl uint32
	if n, err := strconv.ParseUint(parts[len(parts)-1], 10, 31); err == nil {
		ttl, parts = uint32(n), parts[:len(parts)-1]
	}
	if len(parts) < 2 {
		return errors.New("an alias and its target are needed")
	}
	target := parts[len(parts)-1]
	for _, alias := range parts[:len(parts)-1] {
		if err := errors.Join(checkName(strings.TrimPrefix(alias, "*.")), checkName(target)); err != nil {
			return err
		}
		if strings.EqualFold(alias, target) {
			return fmt.Errorf("%q is an alias of itself", alias)
		}
		r.o.DNS.CNAMEs = append(r.o.DNS.CNAMEs, dns.CNAME{Name: alias, Target: target, TTL: ttl})
	}
	return nil
}

// txt reads txt-record=name[,text]...
func (r *reader) txt(arg string) error {
	name, texts, err := nameAnd(arg)
	if err != nil {
		return err
	}
	if len(texts) == 0 {
		texts = []string{""}
	}
	var data []byte
	for _, t := range texts {
		if len(t) > 255 {
			return errors.New("a text has at most 255 bytes")
		}
		data = append(append(data, byte(len(t))), t...)
	}
	r.record(dns.Record{Name: name, Type: typeTXT, Data: data})
	return nil
}

// srv reads srv-host=_service._protocol[.domain][,target[,port[,priority[,weight]]]].
func (r *reader) srv(arg string) error {
	name, parts, err := nameAnd(arg)
	if err != nil {
		return err
	}
	s := dns.SRV{Name: name}
	if len(parts) > 0 && parts[0] != "." {
		s.Target = parts[0]
	}
	var err1, err2, err3, err4 error
	if s.Target != "" {
		err1 = checkName(s.Target)
	}
	s.Port, err2 = number[uint16](parts, 1, 1)
	s.Priority, err3 = number[uint16](parts, 2, 0)
	s.Weight, err4 = number[uint16](parts, 3, 0)
	r.o.DNS.SRV = append(r.o.DNS.SRV, s)
	return errors.Join(err1, err2, err3, err4)
}

// An mx is an mx-host option.
type mx struct {
	name, target string
	preference   uint16
}

// record is the mx's; without a target, fallback is.
func (m mx) record(fallback string) dns.Record {
	target := m.target
	if target == "" {
		target = fallback
	}
	return dns.Record{Name: m.name, Type: typeMX, Data: binary.BigEndian.AppendUint16(nil, m.preference), Target: target}
}

// mxHost reads mx-host=name[,target][,preference].
func (r *reader) mxHost(arg string) error {
	name, parts, err := nameAnd(arg)
	if err != nil {
		return err
	}
	m := mx{name: name, target: r.mx}
	if len(parts) == 1 {
		if _, err := strconv.Atoi(parts[0]); err == nil {
			parts = []string{"", parts[0]}
		}
	}
	if len(parts) > 0 && parts[0] != "" {
		if err := checkName(parts[0]); err != nil {
			return err
		}
		m.target = parts[0]
	}
	m.preference, err = number[uint16](parts, 1, 1)
	if m.target == "" {
		return errors.New("no target: give one, or mx-target before")
	}
	r.mail = append(r.mail, m)
	return err
}

func (r *reader) mxTarget(arg string) error {
	r.mx = shown(arg)
	return checkName(r.mx)
}

// ptr reads ptr-record=name[,target].
func (r *reader) ptr(arg string) error {
	name, parts, err := nameAnd(arg)
	if err != nil {
		return err
	}
	if len(parts) != 1 || checkName(parts[0]) != nil {
		return errors.New("a name and its target are needed")
	}
	r.record(dns.Record{Name: name, Type: typePTR, Target: parts[0]})
	return nil
}

// caa reads caa-record=name,flags,tag,value.
func (r *reader) caa(arg string) error {
	name, parts, err := nameAnd(arg)
	if err != nil {
		return err
	}
	if len(parts) < 3 || len(parts[1]) == 0 || len(parts[1]) > 255 {
		return errors.New("name, flags, tag and value are needed")
	}
	flags, err := number[uint8](parts, 0, 0)
	data := append([]byte{flags, byte(len(parts[1]))}, parts[1]...)
	r.record(dns.Record{Name: name, Type: typeCAA, Data: append(data, strings.Join(parts[2:], ",")...)})
	return err
}

// naptr reads naptr-record=name,order,preference,flags,service,regexp[,replacement].
func (r *reader) naptr(arg string) error {
	name, parts, err := nameAnd(arg)
	if err != nil {
		return err
	}
	if len(parts) < 5 || len(parts) > 6 {
		return errors.New("name, order, preference, flags, service, regexp and replacement are needed")
	}
	order, err1 := number[uint16](parts, 0, 0)
	preference, err2 := number[uint16](parts, 1, 0)
	data := binary.BigEndian.AppendUint16(nil, order)
	data = binary.BigEndian.AppendUint16(data, preference)
	for _, text := range parts[2:5] {
		if len(text) > 255 {
			return errors.New("a text has at most 255 bytes")
		}
		data = append(append(data, byte(len(text))), text...)
	}
	rec := dns.Record{Name: name, Type: typeNAPTR, Data: data, Target: "."}
	if len(parts) == 6 && parts[5] != "" {
		rec.Target = parts[5]
	}
	r.record(rec)
	return errors.Join(err1, err2)
}

// dnsRR reads dns-rr=name,type,[hexadecimal data].
func (r *reader) dnsRR(arg string) error {
	name, parts, err := nameAnd(arg)
	if err != nil {
		return err
	}
	if len(parts) == 0 || len(parts) > 2 {
		return errors.New("name, type and data are needed")
	}
	rec := dns.Record{Name: name}
	if rec.Type, err = number[uint16](parts, 0, 0); err != nil || rec.Type == 0 {
		return fmt.Errorf("bad type %q", parts[0])
	}
	if len(parts) == 2 {
		if rec.Data, err = decodeHex(parts[1]); err != nil {
			return err
		}
	}
	r.record(rec)
	return nil
}
