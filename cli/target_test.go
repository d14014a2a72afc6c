package cli

import (
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTargets(t *testing.T) {
	tests := []struct {
		uri      string
		readOnly bool
		want     target
		wantErr  string
	}{
		{uri: "qemu:///session", want: target{driver: "qemu:///session", transport: "unix", socket: "/home/u/.cache/libvirt/libvirt-sock"}},
		{uri: "network:///system?socket=/a/b", want: target{driver: "network:///system", transport: "unix", socket: "/a/b"}},
		{uri: "network+ssh://host/system", want: target{driver: "network:///system", transport: "ssh", host: "host", socket: "/var/run/libvirt/libvirt-sock"}},
		{uri: "qemu+ssh://me@host:22/system", readOnly: true, want: target{driver: "qemu:///system", transport: "ssh", host: "host", user: "me", port: "22", socket: "/var/run/libvirt/libvirt-sock-ro"}},
		{uri: "qemu://host/system", want: target{driver: "qemu:///system", transport: "tls", host: "host", socket: "/var/run/libvirt/libvirt-sock"}},
		{uri: "qemu+tcp://[::1]:99/system?name=lxc:///", want: target{driver: "lxc:///", transport: "tcp", host: "::1", port: "99", socket: "/var/run/libvirt/libvirt-sock"}},
		{uri: "test:///default", wantErr: "no connection driver available for test:///default"},
		{uri: "nonsense", wantErr: "no connection driver available for nonsense"},
		{uri: "qemu+tcp:///system", wantErr: "missing server part in URI for transport 'tcp'"},
	}
	getenv := func(name string) string { return map[string]string{"HOME": "/home/u"}[name] }
	for _, tt := range tests {
		t.Run(tt.uri, func(t *testing.T) {
			got, err := parseTarget(tt.uri, tt.readOnly, getenv)
			if diff := cmp.Diff(tt.wantErr, errorText(err)); diff != "" {
				t.Fatalf("error (-want +got):\n%s", diff)
			}
			got.query = nil
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(target{})); err == nil && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSSHCommand(t *testing.T) {
	u, err := url.ParseQuery("keyfile=/k&no_verify=1&netcat=ncat")
	if err != nil {
		t.Fatal(err)
	}
	tg := target{driver: "network:///system", host: "host", user: "me", port: "2222", socket: "/s/it's", query: u}
	got := tg.sshCommand(true).Args
	want := []string{"ssh", "-T", "-e", "none", "-p", "2222", "-l", "me", "-i", "/k", "-o", "StrictHostKeyChecking=no", "--", "host"}
	if diff := cmp.Diff(want, got[:len(got)-1]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantScript := `if command -v virt-ssh-helper >/dev/null 2>&1; then exec virt-ssh-helper -r 'network:///system'; fi; ` +
		`if 'ncat' -h 2>&1 | grep -q -e "-q "; then exec 'ncat' -q0 -U '/s/it'\''s'; else exec 'ncat' -U '/s/it'\''s'; fi`
	if diff := cmp.Diff(wantScript, tg.remoteScript(true)); diff != "" {
		t.Errorf("script (-want +got):\n%s", diff)
	}
}

// fakeSSH returns a program that takes ssh's arguments and does what body
// says.
func fakeSSH(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ssh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDaemonIsReachedThroughSSH(t *testing.T) {
	d := newFakeDaemon(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// As ssh does, the last argument is given to a shell; netcat is this
	// test's binary.
	ssh := fakeSSH(t, `for last; do :; done; exec sh -c "$last"`)
	netcat := fakeSSH(t, actAsRelay+`=1 exec `+self+` "$@"`)
	uri := "network+ssh://host/system?command=" + ssh + "&netcat=" + netcat + "&socket=" + d.socket
	got := runMain(t, nil, "-q", "-c", uri, "net-uuid", "default")
	if diff := cmp.Diff(result{Out: "00000000-0000-0000-0000-000000000001\n"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatSSHSaysIsShown(t *testing.T) {
	ssh := fakeSSH(t, "echo 'ssh: connect to host h port 22: No route to host' >&2; exit 255")
	got := runMain(t, nil, "-c", "network+ssh://h/system?command="+ssh, "net-list")
	want := result{Status: 1, Err: "error: failed to connect to the hypervisor\n" +
		"error: Cannot recv data: ssh: connect to host h port 22: No route to host: Connection reset by peer\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	missing := runMain(t, nil, "-c", "network+ssh://h/system?command=/nonexistent/ssh", "net-list")
	if !strings.HasSuffix(missing.Err, "error: cannot execute binary /nonexistent/ssh: No such file or directory\n") {
		t.Errorf("%+v", missing)
	}
}

// relay copies between the standard streams and a socket, as netcat does
// for "-U SOCKET".
func relay(args []string, in io.Reader, out io.Writer) int {
	if args[0] == "-h" {
		return exitOK
	}
	conn, err := net.Dial("unix", args[len(args)-1])
	if err != nil {
		return exitFailure
	}
	go func() {
		io.Copy(conn, in)
		conn.(*net.UnixConn).CloseWrite()
	}()
	io.Copy(out, conn)
	return exitOK
}

func TestTCPTransport(t *testing.T) {
	d := newFakeDaemon(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err == nil {
			(&fakeConn{daemon: d, conn: conn}).serve()
		}
	}()
	got := runMain(t, nil, "-q", "-c", "network+tcp://"+l.Addr().String()+"/system", "net-uuid", "default")
	if diff := cmp.Diff(result{Out: "00000000-0000-0000-0000-000000000001\n"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	l.Close()
	addr := l.Addr().String()
	refused := runMain(t, nil, "-c", "network+tcp://"+addr+"/system", "net-list")
	want := result{Status: 1, Err: "error: failed to connect to the hypervisor\nerror: unable to connect to server at '" +
		addr + "': Connection refused\n"}
	if diff := cmp.Diff(want, refused); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
