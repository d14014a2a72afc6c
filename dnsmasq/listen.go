package dnsmasq

import (
	"fmt"
	"net/netip"
	"strings"
)

func (r *reader) listenLink(arg string) error {
	for _, link := range split(arg) {
		r.o.Links = append(r.o.Links, Placed[string]{link, r.place})
	}
	return nil
}

func (r *reader) listenAddress(arg string) error {
	for _, text := range split(arg) {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("bad address %q", text)
		}
		r.o.Addrs = append(r.o.Addrs, Placed[netip.Addr]{a, r.place})
	}
	return nil
}

// exceptLink: only the network's bridge is ever listened on.
func (r *reader) exceptLink(arg string) error {
	for _, link := range split(arg) {
		if link != "lo" {
			return fmt.Errorf("only the network's bridge is listened on, so there is nothing to say of %q", link)
		}
	}
	return nil
}

// logQueries reads log-queries, or log-queries=extra, which says no more here.
func (r *reader) logQueries(arg string) error {
	switch arg {
	case "", "extra", "proto":
		r.o.DNS.LogQueries = true
		return nil
	}
	return fmt.Errorf("%q is neither extra nor proto", arg)
}

// tftpRoot reads tftp-root=directory; a link after it restricts it to that.
func (r *reader) tftpRoot(arg string) error {
	dir, link, given := strings.Cut(arg, ",")
	if given {
		r.o.Links = append(r.o.Links, Placed[string]{shown(link), r.place})
	}
	if r.o.TFTPRoot = shown(dir); !strings.HasPrefix(r.o.TFTPRoot, "/") {
		return fmt.Errorf("%q is not an absolute path", r.o.TFTPRoot)
	}
	return nil
}
