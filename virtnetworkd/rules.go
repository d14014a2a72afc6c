package virtnetworkd

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// status is the part of a status file that says how to remove the network's
// firewall rules: the arguments of commands, as libvirt itself runs them.
type status struct {
	Firewall struct {
		Backend string `xml:"backend,attr"`
		Groups  []struct {
			Actions []struct {
				Layer string   `xml:"layer,attr"`
				Args  []string `xml:"args>item"`
			} `xml:"action"`
		} `xml:"group"`
	} `xml:"firewall"`
}

// RemoveRules removes the firewall rules that virtnetworkd made for a network,
// by its status file in dir. Rules of iptables can only be removed by the
// iptables program; those of nftables are by nft. What cannot be removed is in
// the error, and the rest is gone: a rule may be missing because somebody
// removed all.
func RemoveRules(ctx context.Context, dir, network string) error {
	text, err := os.ReadFile(filepath.Join(dir, network+".xml"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove libvirt's rules: %w", err)
	}
	var s status
	if err := xml.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read how to remove libvirt's rules: %w", err)
	}
	var errs []error
	for _, command := range s.commands() {
		if err := run(ctx, command); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// commands are the commands that remove the rules, of programs that libvirt
// uses and no others.
func (s *status) commands() [][]string {
	programs := map[string][]string{"ipv4": {"iptables", "-w"}, "ipv6": {"ip6tables", "-w"}, "ethernet": {"ebtables", "--concurrent"}}
	if s.Firewall.Backend == "nftables" {
		programs = map[string][]string{"ipv4": {"nft"}, "ipv6": {"nft"}}
	}
	var all [][]string
	for _, group := range s.Firewall.Groups {
		for _, action := range group.Actions {
			if program := programs[action.Layer]; program != nil {
				all = append(all, append(program[:len(program):len(program)], action.Args...))
			}
		}
	}
	return all
}

// run runs a command, for 10 s at most.
func run(ctx context.Context, command []string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
