package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// sysctlRoot shows the sysctls of the network namespace of the thread that
// opens a file below it.
const sysctlRoot = "/proc/sys/net/"

// readSysctl returns a sysctl, named by its path below net. fs.ErrNotExist
// says that the kernel does not have it.
func readSysctl(name string) (string, error) {
	b, err := os.ReadFile(sysctlRoot + name)
	if err != nil {
		return "", fmt.Errorf("read sysctl: %w", sysctlPermission(err))
	}
	return strings.TrimSpace(string(b)), nil
}

// sysctlPermission names the capability that an error of a sysctl file is
// about.
func sysctlPermission(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %w", ErrNotPermitted, err)
	}
	return err
}

// setSysctl writes a sysctl unless it has that value already, since a write
// can do more than store the value, and returns the one it had.
func setSysctl(name, value string) (old string, err error) {
	if old, err = readSysctl(name); err != nil || old == value {
		return old, err
	}
	// No os.WriteFile: these files cannot be created or truncated.
	f, err := os.OpenFile(sysctlRoot+name, os.O_WRONLY, 0)
	if err != nil {
		return old, fmt.Errorf("set sysctl to %s: %w", value, sysctlPermission(err))
	}
	_, err = f.WriteString(value)
	if err = errors.Join(err, f.Close()); err != nil {
		return old, fmt.Errorf("set sysctl to %s: %w", value, sysctlPermission(err))
	}
	return old, nil
}

// setLinkSysctls sets what our bridge's IP stacks do by themselves: nothing.
func setLinkSysctls(name string, ipv6 bool) error {
	// When an address goes that was the first of its subnet, the others stay;
	// when the MAC address changes, the guests are told.
	for _, s := range []string{"promote_secondaries", "arp_notify"} {
		if _, err := setSysctl("ipv4/conf/"+name+"/"+s, "1"); err != nil {
			return err
		}
	}
	disable := "1"
	if ipv6 {
		disable = "0"
	}
	// Before the link is up and before IPv6 is, so that the kernel neither
	// asks for routers nor makes an address. 1 is addr_gen_mode none: the
	// kernel's link-local address would be tentative until there is carrier.
	for _, s := range [][2]string{
		{"accept_ra", "0"}, {"autoconf", "0"}, {"addr_gen_mode", "1"}, {"ndisc_notify", "1"}, {"disable_ipv6", disable},
	} {
		_, err := setSysctl("ipv6/conf/"+name+"/"+s[0], s[1])
		switch {
		case errors.Is(err, fs.ErrNotExist) && !ipv6:
			return nil // a kernel without IPv6
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("this kernel has no IPv6: %w", err)
		case err != nil:
			return err
		}
	}
	return nil
}
