package network

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// netns is a namespace that a link is to go into.
type netns struct {
	*bridge.Namespace
	path string
	name string // of ip-netns(8), "" if it was not named so
}

// is tells whether it is the one that a link was attached in.
func (n *netns) is(known *port.Netns) bool {
	return n.ID() == bridge.NamespaceID{Dev: known.Dev, Inode: known.Inode}
}

// netnsDir is where ip-netns(8) has its namespaces.
const netnsDir = "/run/netns/"

// openNetns opens the namespace of a request, nil if it asks for none. Callers
// other than root must own it: it is of a process of theirs, or belongs to a
// user namespace that they made.
func (m *Manager) openNetns(req AttachRequest) (*netns, error) {
	n := &netns{path: req.Netns}
	switch pid, err := strconv.Atoi(req.Netns); {
	case req.Netns == "":
		return nil, nil
	case err == nil:
		return m.openNetnsOf(pid, req.Caller)
	case !strings.Contains(req.Netns, "/"):
		n.name, n.path = req.Netns, netnsDir+req.Netns
	case !filepath.IsAbs(req.Netns):
		return nil, invalidArg("namespace '%.200s' is neither a name, a process nor an absolute path", req.Netns)
	}
	return n, n.open(req.Caller, false)
}

// open opens the namespace; ofCaller tells that it is known to be the caller's.
func (n *netns) open(caller uint32, ofCaller bool) (err error) {
	if n.Namespace, err = bridge.OpenNamespace(n.path); err != nil {
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.ELOOP),
			errors.Is(err, unix.EINVAL): // a zero byte
			return invalidArg("there is no network namespace '%.200s'", n.path)
		case errors.Is(err, bridge.ErrNoNamespace):
			return invalidArg("'%.200s' is not a network namespace", n.path)
		}
		return err
	}
	if n.IsOwn() {
		err = invalidArg("'%.200s' is the host's own network namespace", n.path)
	} else if caller != 0 && !ofCaller {
		uid, ownerErr := n.OwnerUID()
		if err = ownerErr; err == nil && uid != caller {
			err = invalid("network namespace '%.200s' is not of user %d", n.path, caller)
		}
	}
	if err != nil {
		n.Close()
	}
	return err
}

// openNetnsOf opens the namespace of a process. It is asked for by a descriptor
// of the process, so that it cannot be another by the end.
func (m *Manager) openNetnsOf(pid int, caller uint32) (*netns, error) {
	gone := invalidArg("there is no process %d", pid)
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, gone
	}
	defer unix.Close(fd)
	dir := fmt.Sprintf("/proc/%d", pid)
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return nil, gone
	}
	n := &netns{path: dir + "/ns/net"}
	if err := n.open(caller, st.Uid == caller); err != nil {
		return nil, err
	}
	if unix.PidfdSendSignal(fd, 0, nil, 0) == unix.ESRCH {
		n.Close()
		return nil, gone
	}
	return n, nil
}

// resolvMark begins the resolv.conf that we wrote.
const resolvMark = "# by vnetmgr port-attach\n"

// resolvConf is what ip-netns(8) shows as /etc/resolv.conf in the namespace,
// "" if a is in none that has a name.
func (m *Manager) resolvConf(a *port.Attachment) string {
	if m.cfg.NetnsEtc == "" || a.Netns == nil || a.Netns.Name == "" {
		return ""
	}
	return filepath.Join(m.cfg.NetnsEtc, a.Netns.Name, "resolv.conf")
}

// writeResolvConf names the network's resolver in the namespace. A file that
// somebody else wrote stays, and that of another link in the namespace.
func (m *Manager) writeResolvConf(n *xmlnet.Network, a *port.Attachment) error {
	path := m.resolvConf(a)
	if path == "" {
		return nil
	}
	if have, err := os.ReadFile(path); err == nil && (!isResolvConf(have) || len(m.sharing(path, a)) > 0) {
		return nil
	}
	_, err := nameResolver(path, n, a)
	return err
}

func isResolvConf(text []byte) bool { return bytes.HasPrefix(text, []byte(resolvMark)) }

// sharing are the links beside a whose resolver the file at path could name.
func (m *Manager) sharing(path string, a *port.Attachment) (others []*port.Attachment) {
	for _, o := range m.attachedNow() {
		if o.UUID != a.UUID && m.resolvConf(o) == path {
			others = append(others, o)
		}
	}
	return others
}

// nameResolver writes the file at path, if n has a resolver for a.
func nameResolver(path string, n *xmlnet.Network, a *port.Attachment) (written bool, err error) {
	ours := plan.Subnet(n, a.Addr)
	if !ours.IsValid() || n.DNS.Enable == xmlnet.No {
		return false, nil
	}
	text := resolvMark
	if n.Domain.Name != "" {
		text += "search " + n.Domain.Name + "\n"
	}
	text += "nameserver " + ours.Addr().String() + "\n"
	err = os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		return false, fmt.Errorf("name the resolver in the namespace: %w", err)
	}
	return true, nil
}

// removeResolvConf removes what writeResolvConf wrote, or has it name the
// resolver of another link in the namespace; m.change is held.
func (m *Manager) removeResolvConf(a *port.Attachment) error {
	path := m.resolvConf(a)
	if path == "" {
		return nil
	}
	have, err := os.ReadFile(path)
	if err != nil || !isResolvConf(have) {
		return nil
	}
	for _, o := range m.sharing(path, a) {
		if e := m.byID[o.Network]; e != nil {
			if written, err := nameResolver(path, e.current(), o); written || err != nil {
				return err
			}
		}
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	// What somebody else put there stays.
	_ = os.Remove(filepath.Dir(path))
	return nil
}
