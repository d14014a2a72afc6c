package virtnetworkd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// StopDNSMasq ends the dnsmasq of a network, which virtnetworkd started with
// its pid in NETWORK.pid in dir and a configuration file NETWORK.conf, and
// waits until its sockets are free. It reports whether there was one.
func StopDNSMasq(ctx context.Context, dir, network string) (stopped bool, err error) {
	path := filepath.Join(dir, network+".pid")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("stop dnsmasq: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil && serves(pid, network) {
		if err := end(ctx, pid); err != nil {
			return true, fmt.Errorf("stop dnsmasq (pid %d) of network %s: %w", pid, network, err)
		}
		stopped = true
	}
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return stopped, err
	}
	return stopped, nil
}

// serves tells whether the process is the network's dnsmasq: its number may
// be another's by now.
func serves(pid int, network string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	args := bytes.Split(line, []byte{0})
	if filepath.Base(string(args[0])) != "dnsmasq" {
		return false
	}
	for _, arg := range args[1:] {
		if file, ok := strings.CutPrefix(string(arg), "--conf-file="); ok && filepath.Base(file) == network+".conf" {
			return true
		}
	}
	return false
}

// end sends SIGTERM, after 5 s SIGKILL, and waits for the process's end.
func end(ctx context.Context, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, step := range []struct {
		signal unix.Signal
		wait   time.Duration
	}{{unix.SIGTERM, 5 * time.Second}, {unix.SIGKILL, 5 * time.Second}} {
		if err := unix.PidfdSendSignal(fd, step.signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		gone, err := waitFor(ctx, fd, step.wait)
		if gone || err != nil {
			return err
		}
	}
	return errors.New("it does not end")
}

// waitFor waits for the end of the process behind fd.
func waitFor(ctx context.Context, fd int, limit time.Duration) (gone bool, err error) {
	for began := time.Now(); time.Since(began) < limit; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false, err
		}
		if n > 0 {
			return true, nil
		}
	}
	return false, nil
}
