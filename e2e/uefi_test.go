package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// bootSite is a network with files to boot on it: by TFTP, and by a web server
// on the host.
//
// The web server's name has an address of the one family that the test is
// about: firmware that boots by HTTP tries IPv4 first.
func bootSite(t *testing.T, webAddr string) (s *site, root string) {
	t.Helper()
	s = newServiceSite(t)
	root = t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	s.define(t, fmt.Sprintf(`<network><name>boot</name>
<metadata><boot xmlns='https://vnetmgr.org/xmlns/boot/1'>
<file class='iPXE' name='boot.ipxe'/>
<file arch='x64-http' name='http://boot.example.test:8080/x64-http.efi'/>
<file arch='arm64-http' name='http://boot.example.test:8080/arm64-http.efi'/>
<file arch='x64-efi' name='x64.efi'/>
<file arch='arm64-efi' name='arm64.efi'/>
<file arch='bios' name='undionly.kpxe'/>
</boot></metadata>
<forward mode='nat'/><bridge name='virbr6' stp='off'/><domain name='example.test'/>
<dns><host ip='%s'><hostname>boot.example.test</hostname></host></dns>
<ip address='192.168.66.1' prefix='24'><tftp root='%s'/><dhcp><range start='192.168.66.2' end='192.168.66.99'/></dhcp></ip>
<ip family='ipv6' address='fd00:66::1' prefix='64'><dhcp><range start='fd00:66::100' end='fd00:66::1ff'/></dhcp></ip></network>`, webAddr, root))
	s.ctl(t, "net-start", "boot")
	return s, root
}

// serveFiles serves the folder by HTTP on the host, and returns who asked.
func serveFiles(t *testing.T, s *site, root string) (askers func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	var l net.Listener
	err := s.Net(func() (err error) {
		l, err = net.Listen("tcp", ":8080")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(root))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		all = append(all, r.RemoteAddr)
		mu.Unlock()
		files.ServeHTTP(w, r)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// firmware is one way that a computer boots.
type firmware struct {
	name string
	cpu  lab.CPU
	way  string
	file string
}

// Firmware starts the program that the network names for it. The other kinds
// and ways take long, and more of the distribution: make boot.
func TestUEFIBoots(t *testing.T) {
	t.Parallel()
	bootAll(t, []firmware{
		{"x64-pxe4", lab.X64, lab.PXE4, "x64.efi"},
		{"x64-http4", lab.X64, lab.HTTP4, "x64-http.efi"},
	})
}

// bootAll boots a computer of each kind.
func bootAll(t *testing.T, all []firmware) {
	t.Helper()
	for _, tc := range all {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			web := "192.168.66.1"
			if tc.way == lab.HTTP6 {
				web = "fd00:66::1"
			}
			s, root := bootSite(t, web)
			askers := serveFiles(t, s, root)
			said := "started by " + tc.name
			if err := os.WriteFile(filepath.Join(root, tc.file), lab.EFI(tc.cpu, said), 0o644); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			vm := s.UEFI(t, "virbr6", tc.cpu, tc.way)
			if !vm.Says(t, said, 3*time.Minute) {
				t.Errorf("after %v the console shows:\n%s", time.Since(began), vm.Log())
			}
			t.Logf("after %v", time.Since(began))
			if got := askers(); (len(got) > 0) != strings.HasPrefix(tc.way, "HTTP") {
				t.Errorf("the web server was asked by %q", got)
			}
		})
	}
}
