package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// virsh's net-update reaches a guest at once.
func TestVirshUpdatesAnActiveNetwork(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	s.control = []string{"virsh", "-c", "network:///system"}
	s.ctl(t, "net-start", "default")
	g := s.Guest(t, "virbr0", "renamed")
	reserve := "<host mac='" + g.MAC.String() + "' name='fixed' ip='192.168.122.77'/>"
	for _, tt := range []struct{ args, want string }{
		{"add-last ip-dhcp-host " + reserve + " --live --config", "Updated network default persistent config and live state\n"},
		{"add dns-host <host ip='192.168.122.78'><hostname>db</hostname></host>", "Updated network default live state\n"},
		{"add dns-txt <txt name='t' value='v'/> --config", "Updated network default persistent config\n"},
	} {
		command, rest, _ := strings.Cut(tt.args, " ")
		section, rest, _ := strings.Cut(rest, " ")
		xml, flags, _ := strings.Cut(rest, " --")
		args := []string{"net-update", "default", command, section, xml}
		for flag := range strings.SplitSeq(flags, " --") {
			if flag != "" {
				args = append(args, "--"+flag)
			}
		}
		if got := s.ctl(t, args...); got != tt.want {
			t.Errorf("%v printed %q", args, got)
		}
	}
	if addr, ok := g.Udhcpc(t); !ok || addr.String() != "192.168.122.77" {
		t.Errorf("the guest has %v", addr)
	}
	for name, want := range map[string]string{"fixed": "192.168.122.77", "db": "192.168.122.78"} {
		if got, ok := g.Resolve(t, name); !ok || got.String() != want {
			t.Errorf("%s is %v", name, got)
		}
	}
	live, config := s.ctl(t, "net-dumpxml", "default"), s.ctl(t, "net-dumpxml", "default", "--inactive")
	if strings.Contains(live, "<txt") || !strings.Contains(config, "<txt") || strings.Contains(config, "<hostname>") {
		t.Errorf("live:\n%s\nconfig:\n%s", live, config)
	}
	s.refused(t, []string{"Failed to update network default", "there is an existing dhcp host entry"},
		"net-update", "default", "add", "ip-dhcp-host", reserve)
	s.refused(t, []string{"Operation not supported: can't update 'bridge' section of network 'default'"},
		"net-update", "default", "modify", "bridge", "<bridge name='x'/>")
}

func TestHooksRunFromLibvirtsDirectory(t *testing.T) {
	s := newSite(t)
	s.Script(t, `mkdir -p /etc/libvirt/hooks/network.d`)
	s.WriteFile(t, "/etc/libvirt/hooks/network", "#!/bin/sh\necho \"$0 $*\" >>/run/hooked\n", 0o755)
	s.WriteFile(t, "/etc/libvirt/hooks/network.d/10-check", `#!/bin/sh
echo "$0 $*" >>/run/hooked
grep -q '<hookData>' && [ "$2 $3" = 'start begin' ] && [ -e /run/refuse ] && { echo 'not now' >&2; exit 2; }
exit 0
`, 0o755)
	s.Daemon(t)
	s.Script(t, "touch /run/refuse")
	s.refused(t, []string{"Failed to start network default", "Hook script execution failed: internal error: Child process (", "unexpected exit status 2: not now"}, "net-start", "default")
	s.Script(t, "rm /run/refuse")
	s.ctl(t, "net-start", "default")
	s.ctl(t, "net-destroy", "default")
	var want strings.Builder
	for _, step := range []string{"start begin", "stopped end", "start begin", "started begin", "stopped end"} {
		for _, script := range []string{"network", "network.d/10-check"} {
			want.WriteString("/etc/libvirt/hooks/" + script + " default " + step + " -\n")
		}
	}
	if diff := cmp.Diff(want.String(), s.Script(t, "cat /run/hooked")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDescriptionsAndMetadataAreKeptAndTold(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	events := s.Start(t, "vnetmgr", "net-event", "--event", "metadata-change", "--loop")
	lab.Eventually(t, 10*time.Second, "an event of the title", func() bool {
		s.ctl(t, "net-desc", "default", "--title", "The", "title")
		return strings.Contains(events.Log(), "type title, uri <null>")
	})
	s.ctl(t, "net-desc", "default", "two words")
	s.ctl(t, "net-metadata", "default", "urn:x", "--key", "k", "--set", "<a b='1'><c/></a>")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"net-desc", "default", "--title"}, "The title\n"},
		{[]string{"net-desc", "default"}, "two words\n"},
		{[]string{"net-metadata", "default", "urn:x"}, "<a b=\"1\">\n  <c/>\n</a>\n\n"},
		{[]string{"net-metadata", "default", "urn:x", "--remove"}, "Metadata removed\n\n"},
		{[]string{"net-metadata", "default", "urn:x"}, "\n"},
	} {
		if got := s.ctl(t, tt.args...); got != tt.want {
			t.Errorf("%v printed %q, want %q", tt.args, got, tt.want)
		}
	}
	s.refused(t, []string{"metadata title can't contain newlines"}, "net-desc", "default", "--title", "a\nb")
	lab.Eventually(t, 10*time.Second, "an event of the element", func() bool {
		return strings.Contains(events.Log(), "event 'metadata-change' for network default: type element, uri urn:x\n")
	})
}
