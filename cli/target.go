package cli

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// defaultSocket is where the local daemon listens; its read-only socket has
// the suffix of roSuffix.
const (
	defaultSocket = "/run/vnetmgr/vnetmgr-sock"
	roSuffix      = "-ro"
)

// localDriver is what our own daemon is asked to open.
const localDriver = "network:///system"

// libvirtDir is where the system's libvirt daemons listen.
const libvirtDir = "/var/run/libvirt"

// target is a daemon to talk to and the way there.
type target struct {
	driver    string // the URI that the daemon is asked to open
	transport string // unix, ssh, tcp, tls or libssh
	socket    string // path of the socket on the daemon's host
	host      string // "" on this host
	user      string
	port      string
	query     url.Values

	own bool // the local vnetmgr daemon, which may be started
}

// target returns what the options and the environment ask for.
func (sh *shell) target() (target, error) {
	if sh.opts.uri != "" {
		return parseTarget(sh.opts.uri, sh.opts.readOnly, sh.env.Getenv)
	}
	return target{driver: localDriver, transport: "unix", socket: sh.localSocket(), own: true}, nil
}

// localSocket returns the read-write socket of the local daemon.
func (sh *shell) localSocket() string {
	for _, path := range []string{sh.opts.socket, sh.env.Getenv("VNETMGR_SOCKET")} {
		if path != "" {
			return path
		}
	}
	return defaultSocket
}

// modularDaemons maps URI schemes to libvirt's daemons for them.
var modularDaemons = map[string]string{
	"qemu": "virtqemud", "network": "virtnetworkd", "interface": "virtinterfaced", "nodedev": "virtnodedevd",
	"nwfilter": "virtnwfilterd", "secret": "virtsecretd", "storage": "virtstoraged",
	"lxc": "virtlxcd", "xen": "virtxend", "vz": "virtvzd", "ch": "virtchd", "bhyve": "virtbhyved", "vbox": "virtvboxd",
}

// parseTarget reads a libvirt connection URI,
// driver[+transport]://[user@][host][:port]/path[?parameters].
func parseTarget(uri string, readOnly bool, getenv func(string) string) (target, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" {
		return target{}, worded("no connection driver available for " + uri)
	}
	driver, transport, explicit := strings.Cut(u.Scheme, "+")
	daemon, known := modularDaemons[driver]
	if !known {
		return target{}, worded("no connection driver available for " + uri)
	}
	if !explicit {
		transport = "unix"
		if u.Host != "" {
			transport = "tls"
		}
	}
	t := target{
		driver: driverURI(u, driver), transport: transport, host: u.Hostname(), port: u.Port(), user: u.User.Username(),
		query: u.Query(), socket: u.Query().Get("socket"),
	}
	if t.socket == "" {
		t.socket = librarySocket(daemon, u.Path, t.host != "", readOnly, getenv)
	}
	return t, t.check()
}

// driverURI is the URI without the way there; the name parameter replaces
// it.
func driverURI(u *url.URL, driver string) string {
	if name := u.Query().Get("name"); name != "" {
		return name
	}
	return (&url.URL{Scheme: driver, OmitHost: false, Path: u.Path}).Scheme + "://" + u.EscapedPath()
}

// librarySocket returns the socket of a libvirt daemon: its own where it
// runs, else that of the daemon for all drivers.
func librarySocket(daemon, path string, remote, readOnly bool, getenv func(string) string) string {
	dir := libvirtDir
	if path == "/session" {
		dir, readOnly = sessionDir(getenv), false
	}
	name := daemon + "-sock"
	if remote || !exists(filepath.Join(dir, name)) {
		name = "libvirt-sock"
	}
	if readOnly {
		name += roSuffix
	}
	return filepath.Join(dir, name)
}

// sessionDir is where a user's own libvirt daemons listen.
func sessionDir(getenv func(string) string) string {
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "libvirt")
	}
	return filepath.Join(getenv("HOME"), ".cache", "libvirt")
}

// check refuses a target that can't be dialled.
func (t target) check() error {
	switch t.transport {
	case "unix":
		return nil
	case "ssh", "tcp", "tls", "libssh", "libssh2":
		if t.host == "" {
			return worded(fmt.Sprintf("missing server part in URI for transport '%s'", t.transport))
		}
		return nil
	}
	return worded(fmt.Sprintf("invalid argument: transport in URL not recognised (should be unix|ssh|tcp|tls|libssh|libssh2): '%s'", t.transport))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
