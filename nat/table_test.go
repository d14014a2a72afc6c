package nat

import (
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func TestRulesAreAsListed(t *testing.T) {
	for name, rs := range goldenCases {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".nft")
			got := rs.String()
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOrderOfNetworksDoesNotMatter(t *testing.T) {
	for name, rs := range goldenCases {
		mixed := Ruleset{append([]Network(nil), rs.Networks...)}
		want := rs.String()
		for range 5 {
			rand.Shuffle(len(mixed.Networks), func(i, j int) {
				mixed.Networks[i], mixed.Networks[j] = mixed.Networks[j], mixed.Networks[i]
			})
			if diff := cmp.Diff(want, mixed.String()); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestInvalidNetworksAreRefusedByName(t *testing.T) {
	ok := network("a", NAT, "virbr0", nated("192.168.122.0/24"))
	for _, c := range []struct {
		name   string
		change func(*Network)
		want   string
	}{
		{"no bridge", func(n *Network) { n.Bridge = "" }, `bridge "" is not 1 to 15 bytes long`},
		{"long bridge", func(n *Network) { n.Bridge = "a234567890123456" }, "is not 1 to 15 bytes long"},
		{"quote", func(n *Network) { n.Bridge = `vir"br` }, `bridge "vir\"br" has a character`},
		{"wildcard", func(n *Network) { n.Bridge = "vir*" }, "has a character"},
		{"slash", func(n *Network) { n.Bridge = "a/b" }, "has a character"},
		{"space", func(n *Network) { n.Bridge = "a b" }, "has a character"},
		{"zero", func(n *Network) { n.Bridge = "a\x00b" }, "has a character"},
		{"dots", func(n *Network) { n.Bridge = ".." }, "is no link name"},
		{"dev", func(n *Network) { n.Dev = "eth 0" }, `forward dev "eth 0" has a character`},
		{"id", func(n *Network) { n.ID = "a b" }, `id "a b" cannot name a chain`},
		{"no id", func(n *Network) { n.ID = "" }, "cannot name a chain"},
		{"mode", func(n *Network) { n.Mode = 9 }, "mode 9 has no rules"},
		{"no prefix", func(n *Network) { n.Subnets = []Subnet{{}} }, "a subnet is no prefix"},
		{"everything", func(n *Network) { n.Subnets = []Subnet{nated("0.0.0.0/0")} }, "is every address"},
		{"host bits", func(n *Network) { n.Subnets = []Subnet{nated("10.0.0.1/24")} }, "has bits beyond its mask"},
		{"one port", func(n *Network) { n.PortStart, n.PortEnd = 500, 500 }, "Invalid port range '500-500'."},
		{"ports backwards", func(n *Network) { n.PortStart, n.PortEnd = 9, 5 }, "Invalid port range '9-5'."},
		{"half an address range", func(n *Network) { n.AddrStart = prefix("10.0.0.1/32").Addr() }, "are no IPv4 range"},
		{"IPv6 range", func(n *Network) {
			n.AddrStart, n.AddrEnd = prefix("::1/128").Addr(), prefix("::2/128").Addr()
		}, "are no IPv4 range"},
		{"range backwards", func(n *Network) {
			n.AddrStart, n.AddrEnd = prefix("10.0.0.2/32").Addr(), prefix("10.0.0.1/32").Addr()
		}, "nat addresses 10.0.0.2 to 10.0.0.1 are no IPv4 range"},
	} {
		_, err := compile(Ruleset{[]Network{ok.with(c.change)}}, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "rules of network net-a: ") {
			t.Errorf("%s: got error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestInvalidPortRangeCanBeTold(t *testing.T) {
	_, err := compile(Ruleset{[]Network{three[0].with(func(n *Network) { n.PortStart, n.PortEnd = 7, 7 })}}, nil)
	var pr *PortRangeError
	if !errors.As(err, &pr) || *pr != (PortRangeError{7, 7}) {
		t.Errorf("got %v, want a PortRangeError of 7-7", err)
	}
}

func TestTwoNetworksShareNothing(t *testing.T) {
	for want, second := range map[string]Network{
		"id a is that of network net-a":          network("a", NAT, "virbr1"),
		"bridge virbr0 is that of network net-a": network("b", NAT, "virbr0"),
	} {
		_, err := compile(Ruleset{[]Network{three[0], second.with(func(n *Network) { n.Name = "zz" })}}, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "network zz") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestLongNameIsCutBetweenCharacters(t *testing.T) {
	got := comment(strings.Repeat("ä", 60) + "xyz")
	if want := strings.Repeat("ä", 50); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := comment("x" + strings.Repeat("ä", 60)); got != "x"+strings.Repeat("ä", 49) {
		t.Errorf("got %q", got)
	}
}
