package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"
)

// settings are the daemon's; every one has a default that needs no file. The
// file is TOML, of which libvirt's "key = value" files are a part.
type settings struct {
	Role           string `toml:"role"`             // "virtnetworkd": use that daemon's directories and lock, and take over what it left; "": our own
	NetworkDir     string `toml:"network_dir"`      // definitions
	RunDir         string `toml:"run_dir"`          // what is active; our own sockets
	StateDir       string `toml:"state_dir"`        // leases
	DNSMasqDir     string `toml:"dnsmasq_dir"`      // lease files for libvirt and its NSS modules; "" for none
	LibvirtSockets bool   `toml:"libvirt_sockets"`  // serve libvirt's network sockets where no other daemon does
	LibvirtDir     string `toml:"libvirt_dir"`      // where those are
	Hook           string `toml:"hook"`             // script to run at steps in a network's life; "" for none
	SystemBus      string `toml:"system_bus"`       // D-Bus address of firewalld, systemd-resolved and polkit; "" to do without them
	AdmitGuests    bool   `toml:"admit_guests"`     // let guests through Docker's and ufw's rules, where these drop what they do not know
	LibvirtURI     string `toml:"libvirt_uri"`      // the libvirt whose domains are followed; "" for none
	Facades        bool   `toml:"facades"`          // show our networks in a libvirtd that has a network driver of its own
	AdoptNew       bool   `toml:"adopt_new"`        // take over networks that are made in that libvirtd's own driver
	SocketGroup    string `toml:"unix_sock_group"`  // may read and write, beside root, where polkit does not decide
	DNSQueryRate   int    `toml:"dns_query_rate"`   // names a second that one guest may have looked up elsewhere; 0 for any number
	LeaseHistory   int    `toml:"lease_history"`    // how many records of who had which address are kept; 0 for none
	Metrics        string `toml:"metrics"`          // socket or loopback address and port where Prometheus reads /metrics; "" for nowhere
	LogLevel       string `toml:"log_level"`        // debug, info, warn or error
	Register       bool   `toml:"register_domains"` // systemd-resolved, where it runs, asks us for the names of every network
	AuthRW         string `toml:"auth_unix_rw"`     // "polkit": polkit decides who may write, where it runs; "none": the group does
	AuthRO         string `toml:"auth_unix_ro"`     // "polkit": polkit decides who may read, where it runs; "none": everybody may
	MaxClients     int    `toml:"max_clients"`
}

const defaultSettings = "/etc/vnetmgr/vnetmgr.conf"

// readSettings reads the file at path. Only the default file may be missing;
// an unknown key is an error that names it.
func readSettings(path string) (settings, error) {
	s := settings{
		RunDir:         "/run/vnetmgr",
		StateDir:       "/var/lib/vnetmgr",
		DNSMasqDir:     "/var/lib/libvirt/dnsmasq",
		LibvirtSockets: true,
		LibvirtDir:     "/run/libvirt",
		Hook:           "/etc/libvirt/hooks/network",
		SystemBus:      "unix:path=/run/dbus/system_bus_socket",
		AdmitGuests:    true,
		LibvirtURI:     "qemu:///system",
		Facades:        true,
		SocketGroup:    "libvirt",
		AuthRW:         authPolkit,
		AuthRO:         authPolkit,
		DNSQueryRate:   5000,
		LeaseHistory:   100_000,
		LogLevel:       "info",
		MaxClients:     5000,
	}
	meta, err := toml.DecodeFile(path, &s)
	if errors.Is(err, os.ErrNotExist) && path == defaultSettings {
		err = nil
	}
	if err != nil {
		return s, fmt.Errorf("read settings %s: %w", path, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return s, fmt.Errorf("read settings %s: unknown key %q", path, unknown[0].String())
	}
	if err := errors.Join(s.check(), s.complete()); err != nil {
		return s, fmt.Errorf("read settings %s: %w", path, err)
	}
	return s, nil
}

// How clients are authenticated, as in libvirt's settings.
const (
	authPolkit = "polkit"
	authNone   = "none"
)

// check refuses values that are none.
func (s settings) check() error {
	for key, value := range map[string]string{"auth_unix_rw": s.AuthRW, "auth_unix_ro": s.AuthRO} {
		if value != authPolkit && value != authNone {
			return fmt.Errorf("%s %q: want %s or %s", key, value, authPolkit, authNone)
		}
	}
	return nil
}

// complete sets what depends on the role.
func (s *settings) complete() error {
	dir := "/etc/vnetmgr/networks"
	switch s.Role {
	case "":
	case roleVirtnetworkd:
		dir = "/etc/libvirt/qemu/networks"
		if !s.LibvirtSockets {
			return fmt.Errorf("role %q needs libvirt_sockets", s.Role)
		}
	default:
		return fmt.Errorf("role %q: want %q or none", s.Role, roleVirtnetworkd)
	}
	if s.NetworkDir == "" {
		s.NetworkDir = dir
	}
	return nil
}

// roleVirtnetworkd is the role of libvirt's network daemon: going over to it
// and back is stopping one daemon and starting the other.
const roleVirtnetworkd = "virtnetworkd"

// activeDir is where it says what is active.
func (s settings) activeDir() string {
	if s.Role == roleVirtnetworkd {
		return filepath.Join(s.LibvirtDir, "network")
	}
	return filepath.Join(s.RunDir, "networks")
}

// logger writes text to standard error, without times where systemd's
// journal, which has its own, reads it.
func (s settings) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		return nil, fmt.Errorf("log_level %q: want debug, info, warn or error", s.LogLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	if os.Getenv("JOURNAL_STREAM") != "" {
		opts.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts)), nil
}
