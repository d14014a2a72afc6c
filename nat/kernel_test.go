package nat

import (
	"context"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// openIn opens a connection in ns, closed with the test.
func openIn(t testing.TB, ns *kerneltest.NS) *Conn {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Fatal(err)
	}
	var c *Conn
	var err error
	ns.Do(func() { c, err = Open() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func apply(t testing.TB, c *Conn, networks ...Network) {
	t.Helper()
	if err := c.Apply(context.Background(), Ruleset{networks}); err != nil {
		t.Fatal(err)
	}
}

// listed is what nft lists of our table, without counters' values.
func listed(t testing.TB, ns *kerneltest.NS) string {
	t.Helper()
	return ns.Run(t, "nft -s list table inet vnetmgr 2>/dev/null || true")
}

// normal is a listing without what we leave open: the table's flags and
// owner, the order of maps, chains and elements, line breaks between elements,
// and the words newer nft releases use for the plain reject.
func normal(listing string) string {
	listing = regexp.MustCompile(`(?m)^\tflags .*\n|[ \t]*# progname.*`).ReplaceAllString(listing, "")
	listing = strings.ReplaceAll(listing, "reject with icmpx port-unreachable", "reject")
	elements := regexp.MustCompile(`(?s)elements = \{(.*?)\}`)
	listing = elements.ReplaceAllStringFunc(listing, func(s string) string {
		parts := strings.Split(elements.FindStringSubmatch(s)[1], ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		slices.Sort(parts)
		return "elements = { " + strings.Join(parts, ", ") + " }"
	})
	blocks := strings.Split(strings.TrimSuffix(listing, "}\n"), "\n\t}\n")
	for i, b := range blocks {
		blocks[i] = strings.TrimPrefix(strings.TrimPrefix(b, "table inet vnetmgr {\n"), "\n")
	}
	slices.Sort(blocks)
	return strings.Join(blocks, "\n")
}

func wantListed(t testing.TB, ns *kerneltest.NS, networks ...Network) {
	t.Helper()
	if diff := cmp.Diff(normal(Ruleset{networks}.String()), normal(listed(t, ns))); diff != "" {
		t.Errorf("table in the kernel (-want +got):\n%s", diff)
	}
}

func TestKernelListsWhatIsPrinted(t *testing.T) {
	for name, rs := range goldenCases {
		if name == "refused-networks" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			ns := kerneltest.New(t)
			c := openIn(t, ns)
			apply(t, c, rs.Networks...)
			wantListed(t, ns, rs.Networks...)
			before := ns.Run(t, "nft -a list ruleset")
			gen := generation(t, c)
			apply(t, c, rs.Networks...)
			if diff := cmp.Diff(before, ns.Run(t, "nft -a list ruleset")); diff != "" || generation(t, c) != gen {
				t.Errorf("applying again changed the kernel (-before +after):\n%s", diff)
			}
			again := openIn(t, ns) // reads the kernel, as after a restart
			have, err := again.current()
			if err != nil {
				t.Fatal(err)
			}
			if len(rs.Networks) == 0 {
				return
			}
			want, _ := compile(rs)
			next := c.stateOf(want)
			if diff := cmp.Diff(next, have, cmp.AllowUnexported(state{}, mapState{}, chainState{}, element{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("state read (-want +got):\n%s", diff)
			}
		})
	}
}

func generation(t testing.TB, c *Conn) uint32 {
	t.Helper()
	g, err := c.generation()
	if err != nil {
		t.Fatal(err)
	}
	return g
}
