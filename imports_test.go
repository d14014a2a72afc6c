package vnetmgr_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/vnetmgr/vnetmgr/"

// mayImport is the import diagram of docs/architecture.md: each package and
// what it may import of this module. Tests are free to import more.
var mayImport = map[string]string{
	"cmd/vnetmgr":         "bridge cli cni domain metrics network rpc state xmlnet polkit internal/systembus virtnetworkd",
	"cli":                 "rpc/wire",
	"cni":                 "bridge rpc/wire",
	"rpc":                 "rpc/wire network xmlnet lease journal port polkit",
	"rpc/wire":            "",
	"network":             "admit plan xmlnet bridge nat dhcpd radv dns tftp state lease journal hook port sriov firewalld resolved internal/systembus neighbour virtnetworkd",
	"hook":                "",
	"admit":               "",
	"plan":                "xmlnet bridge nat dhcpd radv dns tftp dnsmasq firewalld port resolved",
	"dnsmasq":             "dhcpd dns",
	"xmlnet":              "",
	"bridge":              "",
	"domain":              "rpc/wire xmlnet",
	"nat":                 "",
	"dhcpd":               "lease internal/holder",
	"dns":                 "internal/holder",
	"neighbour":           "",
	"radv":                "",
	"tftp":                "internal/holder",
	"lease":               "",
	"journal":             "lease",
	"metrics":             "network dhcpd dns radv tftp",
	"port":                "xmlnet",
	"state":               "xmlnet lease port",
	"sriov":               "",
	"virtnetworkd":        "",
	"firewalld":           "internal/systembus",
	"resolved":            "internal/systembus",
	"polkit":              "internal/systembus",
	"internal/systembus":  "",
	"internal/bustest":    "",
	"internal/golden":     "",
	"internal/holder":     "",
	"internal/kerneltest": "",
}

// onlyIn are libraries that one part of the program keeps to itself.
var onlyIn = map[string]string{
	"github.com/vishvananda/netlink":      "bridge internal/kerneltest",
	"github.com/google/nftables":          "nat admit",
	"github.com/digitalocean/go-libvirt":  "cli domain",
	"libvirt.org/go/libvirtxml":           "xmlnet port domain",
	"github.com/insomniacslk/dhcp/dhcpv4": "dhcpd",
	"github.com/miekg/dns":                "dns",
	"github.com/coreos/go-systemd/v22":    "cmd/vnetmgr",
	"github.com/BurntSushi/toml":          "cmd/vnetmgr",
	"go.etcd.io/bbolt":                    "journal",

	"github.com/prometheus/client_golang/prometheus":          "metrics",
	"github.com/prometheus/client_golang/prometheus/promhttp": "metrics",
	"github.com/godbus/dbus/v5":                               "internal/systembus internal/bustest",
	"github.com/vishvananda/netlink/nl":                       "bridge internal/kerneltest",
	"github.com/google/nftables/expr":                         "nat admit",
	"github.com/mdlayher/packet":                              "dhcpd radv neighbour",
	"github.com/mdlayher/ndp":                                 "radv",
	"github.com/insomniacslk/dhcp/dhcpv6":                     "dhcpd",
}

func TestImportsFollowTheDiagram(t *testing.T) {
	seen := make(map[string]bool)
	for pkg, imports := range packageImports(t) {
		allowed, known := mayImport[pkg]
		if !known {
			t.Errorf("package %s is not in the diagram", pkg)
			continue
		}
		seen[pkg] = true
		for _, path := range imports {
			if own, ok := strings.CutPrefix(path, module); ok && !slices.Contains(strings.Fields(allowed), own) {
				t.Errorf("%s must not import %s", pkg, own)
			}
			if keepers, ok := onlyIn[path]; ok && !slices.Contains(strings.Fields(keepers), pkg) {
				t.Errorf("%s must not import %s: that is for %s", pkg, path, keepers)
			}
		}
	}
	for pkg := range mayImport {
		if !seen[pkg] {
			t.Errorf("the diagram has package %s, the tree does not", pkg)
		}
	}
}

// packageImports maps the folder of each package with code in it to what its
// files import. Folders of tests and benchmarks only are left out.
func packageImports(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string]map[string]bool)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || path == "e2e" || path == "bench") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.Dir(path)
		if found[pkg] == nil {
			found[pkg] = make(map[string]bool)
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[pkg][name] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sorted := make(map[string][]string)
	for pkg, names := range found {
		sorted[pkg] = slices.Sorted(maps.Keys(names))
	}
	return sorted
}
