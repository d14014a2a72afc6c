package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// debianPath is where a Debian has its programs.
const debianPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// booted counts the hosts that this process has booted, to tell their cgroups
// apart.
var booted atomic.Uint32

// nspawn runs systemd-nspawn in cgroups of its own ($1, in words), with the
// rest of the arguments, until its standard input ends: a machine must not
// outlive the program that made it. The machine's first process is killed then,
// and with it the kernel kills the rest.
const nspawn = `
for group in $1; do mkdir -p "$group"; echo $$ >"$group/cgroup.procs"; done
shift
systemd-nspawn "$@" </dev/null & p=$!
read -r _ || :
for first in $(cat /proc/$p/task/$p/children); do kill -KILL "$first"; done
wait $p
`

// Debian boots a whole Debian with its systemd from the tree in a directory,
// in which nothing changes. Programs of its own are where it has them; more can
// be shown to it: files of this machine by their paths there.
func Debian(t TB, tree string, more map[string]string) *Host {
	t.Helper()
	name := fmt.Sprintf("debian-%d-%d", os.Getpid(), booted.Add(1))
	groups := cgroups(name)
	args := []string{"-c", nspawn, "nspawn", strings.Join(groups, " "), "--quiet", "--directory=" + tree, "--machine=" + name,
		"--register=no", "--keep-unit", "--private-network", "--volatile=overlay", "--console=pipe", "--boot"}
	for at, path := range more {
		args = append(args, "--bind-ro="+path+":"+at)
	}
	cmd := exec.Command("sh", args...)
	console := &log{}
	cmd.Stdout, cmd.Stderr = console, console
	lifeline, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("boot %s: %v", tree, err)
	}
	m := &Machine{Name: "debian", Env: []string{"PATH=" + debianPath}, ns: make(map[string]*os.File)}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		lifeline.Close()
		<-ended
		for _, f := range m.ns {
			f.Close()
		}
		removeCgroups(t, groups)
	})
	Eventually(t, patience, "systemd to begin", func() bool {
		select {
		case <-ended:
			t.Fatalf("systemd-nspawn ended:\n%s", console)
		default:
		}
		m.pid = firstProcess(name)
		return m.pid != 0
	})
	m.root = fmt.Sprintf("/proc/%d/root", m.pid)
	if err := m.openNamespaces(); err != nil {
		t.Fatalf("enter %s: %v", name, err)
	}
	m.settle(t, console)
	return &Host{Machine: m}
}

// settle waits until the machine has booted.
func (m *Machine) settle(t TB, console *log) {
	t.Helper()
	state := ""
	Eventually(t, patience, "Debian to boot", func() bool {
		state = strings.TrimSpace(m.Run(t, "systemctl", "is-system-running").Stdout)
		return state == "running" || state == "degraded"
	})
	if state == "degraded" {
		t.Fatalf("not all of Debian booted:\n%s\n%s", m.Run(t, "systemctl", "--failed", "--no-pager").Stdout, console)
	}
}

// cgroups name a control group of that name in each hierarchy that systemd
// uses: those of version 1 beside 2, or that of version 2.
func cgroups(name string) []string {
	var groups []string
	for _, root := range []string{"/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if _, err := os.Stat(root + "/cgroup.procs"); err == nil {
			groups = append(groups, root+"/"+name)
		}
	}
	return groups
}

// removeCgroups removes what a machine has left, from the leaves.
func removeCgroups(t TB, groups []string) {
	t.Helper()
	for _, group := range groups {
		var dirs []string
		filepath.WalkDir(group, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			if err := os.Remove(dirs[i]); err != nil {
				t.Logf("remove a control group: %v", err)
			}
		}
	}
}

// firstProcess finds the systemd of the machine with that name, 0 if there is
// none yet: the child of its systemd-nspawn.
func firstProcess(name string) int {
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range found {
		words, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(words), "systemd-nspawn\x00") || !strings.Contains(string(words), "--machine="+name+"\x00") {
			continue
		}
		dir := filepath.Dir(path)
		children, err := os.ReadFile(fmt.Sprintf("%s/task/%s/children", dir, filepath.Base(dir)))
		if err != nil {
			continue
		}
		var pid int
		fmt.Sscan(string(children), &pid)
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && string(comm) == "systemd\n" {
			return pid
		}
	}
	return 0
}
