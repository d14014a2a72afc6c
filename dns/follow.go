package dns

import (
	"context"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"
)

// port is DNS's.
const port = 53

// maxFile bounds what is read of the host's files.
const maxFile = 4 << 20

// A watched is a file's state, to see that it has changed.
type watched struct {
	mod  time.Time
	size int64
	err  string
}

// lookAt follows symbolic links: resolv.conf is one where systemd-resolved
// or resolvconf keep it.
func lookAt(path string) watched {
	fi, err := os.Stat(path)
	if err != nil {
		return watched{err: err.Error()}
	}
	return watched{mod: fi.ModTime(), size: fi.Size()}
}

// Run follows resolv.conf and the hosts file until ctx ends, and returns nil
// then. They are looked
// at each second, and at once when no upstream answers: two stats are cheaper
// than watching every directory that a chain of symbolic links leads through.
func (r *Resolver) Run(ctx context.Context) error {
	if s, ok := r.cfg.Upstream.(*Sockets); ok {
		defer s.Close()
	}
	resolv, hosts := watched{}, watched{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if now := lookAt(r.cfg.ResolvConf); now != resolv {
			resolv = now
			r.readResolvConf()
		}
		if now := lookAt(r.cfg.Hosts); now != hosts {
			hosts = now
			r.readHosts()
			if r.cfg.HostsChanged != nil {
				r.cfg.HostsChanged()
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-r.look:
		}
	}
}

// lookNow makes Run look at the files without waiting.
func (r *Resolver) lookNow() {
	select {
	case r.look <- struct{}{}:
	default:
	}
}

// readResolvConf takes the upstreams from the file. One that can't be read
// has none: what was there before is no longer what the host uses.
func (r *Resolver) readResolvConf() {
	var servers []netip.AddrPort
	text, err := readFile(r.cfg.ResolvConf)
	if err != nil {
		r.log.Warn("host's resolv.conf can't be read", "err", err)
	}
	servers = parseResolvConf(text)
	g := r.group(servers)
	if old := r.host.Swap(g); old != g {
		r.log.Info("upstream servers", "addr", servers)
	}
}

// parseResolvConf returns the nameserver lines of resolv.conf(5).
func parseResolvConf(text string) []netip.AddrPort {
	var servers []netip.AddrPort
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(f[1]); err == nil {
			servers = append(servers, netip.AddrPortFrom(addr, port))
		}
	}
	return servers
}

// readHosts takes the names of the hosts file; one that can't be read keeps
// the last.
func (r *Resolver) readHosts() {
	text, err := readFile(r.cfg.Hosts)
	if err != nil {
		r.log.Warn("host's hosts file can't be read", "err", err)
	}
	if err == nil || r.hosts.Load() == nil {
		r.hosts.Store(NewRecords(Config{}, parseHosts(text)))
	}
}

// parseHosts reads hosts(5).
func parseHosts(text string) []Name {
	var names []Name
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if addr, err := netip.ParseAddr(f[0]); err == nil {
			names = append(names, Name{Addr: addr, Names: f[1:]})
		}
	}
	return names
}

// readFile returns a file's text, "" for the path "".
func readFile(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	return string(b), err
}

// readHostsFiles reads the hosts files that a configuration names beside the
// host's own. One that can't be read has no names.
func (r *Resolver) readHostsFiles(cfg Config) []*Records {
	var all []*Records
	for _, path := range cfg.HostsFiles {
		text, err := readFile(path)
		if err != nil {
			r.log.Warn("hosts file can't be read", "link", cfg.Link, "err", err)
			continue
		}
		all = append(all, NewRecords(cfg, parseHosts(text)))
	}
	return all
}
