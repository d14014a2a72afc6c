package network

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/state"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// nsHost is the kernel of a test's network namespace.
type nsHost struct {
	Host
	ns *kerneltest.NS
	// calling is told of some calls before they are made, and of Observe after
	// it.
	calling func(method string)
}

func openHost(t *testing.T, ns *kerneltest.NS) nsHost {
	t.Helper()
	h := nsHost{ns: ns, calling: func(string) {}}
	ns.Do(func() {
		host, err := OpenKernel(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		h.Host = host
	})
	t.Cleanup(func() { h.Close() })
	return h
}

func (h nsHost) Observe(ctx context.Context) (have bridge.Host, err error) {
	h.ns.Do(func() { have, err = h.Host.Observe(ctx) })
	h.calling("Observe")
	return have, err
}

func (h nsHost) ApplyBridge(ctx context.Context, want bridge.Config) (err error) {
	h.ns.Do(func() { err = h.Host.ApplyBridge(ctx, want) })
	return err
}

func (h nsHost) TuneBridge(ctx context.Context, want bridge.Tuning) (err error) {
	h.ns.Do(func() { err = h.Host.TuneBridge(ctx, want) })
	return err
}

func (h nsHost) SetFloors(ctx context.Context, link string, limit bridge.Rate, floors []bridge.Floor) (err error) {
	h.ns.Do(func() { err = h.Host.SetFloors(ctx, link, limit, floors) })
	return err
}

func (h nsHost) RemoveBridge(ctx context.Context, name, owner string) (err error) {
	h.calling("RemoveBridge")
	h.ns.Do(func() { err = h.Host.RemoveBridge(ctx, name, owner) })
	return err
}

func (h nsHost) ApplyRules(ctx context.Context, want nat.Ruleset) (err error) {
	h.ns.Do(func() { err = h.Host.ApplyRules(ctx, want) })
	return err
}

func (h nsHost) MakePort(ctx context.Context, want bridge.PortLink) (err error) {
	h.calling("MakePort")
	h.ns.Do(func() { err = h.Host.MakePort(ctx, want) })
	return err
}

func (h nsHost) ApplyPort(ctx context.Context, want bridge.PortLink) (err error) {
	h.ns.Do(func() { err = h.Host.ApplyPort(ctx, want) })
	return err
}

func (h nsHost) ListenDHCP4(link string, server netip.Addr) (c *dhcpd.Conn4, err error) {
	h.ns.Do(func() { c, err = h.Host.ListenDHCP4(link, server) })
	return c, err
}

func (h nsHost) ListenDNS(link string, addr netip.Addr) (udp net.PacketConn, tcp net.Listener, err error) {
	h.calling("ListenDNS")
	h.ns.Do(func() { udp, tcp, err = h.Host.ListenDNS(link, addr) })
	return udp, tcp, err
}

func (h nsHost) RulesChanged(ctx context.Context) (c <-chan struct{}, err error) {
	h.ns.Do(func() { c, err = h.Host.RulesChanged(ctx) })
	return c, err
}

func (h nsHost) OthersChanged(ctx context.Context) (c <-chan struct{}, err error) {
	h.ns.Do(func() { c, err = h.Host.OthersChanged(ctx) })
	return c, err
}

func (h nsHost) LinksChanged(ctx context.Context) (c <-chan bridge.Event, err error) {
	h.ns.Do(func() { c, err = h.Host.LinksChanged(ctx) })
	return c, err
}

// site is a host in a namespace with the directories of a daemon.
type site struct {
	t   *testing.T
	ns  *kerneltest.NS
	dir string
	bus string // the system's D-Bus, "" for none
	// register is Config.RegisterDomains.
	register bool
	*Manager
	stop    func()
	calling func(method string) // as nsHost has it, if not nil
	wrap    func(Host) Host     // what the Manager sees of the host, if not nil
}

func newSite(t *testing.T) *site {
	s := &site{t: t, ns: kerneltest.New(t), dir: t.TempDir()}
	s.start()
	return s
}

// start runs a daemon's Manager until the test or stop ends it.
func (s *site) start() {
	s.t.Helper()
	host := openHost(s.t, s.ns)
	if s.calling != nil {
		host.calling = s.calling
	}
	var seen Host = host
	if s.wrap != nil {
		seen = s.wrap(host)
	}
	s.Manager = New(slog.New(slog.NewTextHandler(testWriter{s.t}, nil)), seen, Config{
		Dir:       state.Dir{Config: filepath.Join(s.dir, "networks"), Run: filepath.Join(s.dir, "run"), Attached: filepath.Join(s.dir, "attached")},
		LeaseFile: filepath.Join(s.dir, "leases.db"),

		JournalFile: filepath.Join(s.dir, "history.db"), JournalRecords: 1000,

		StatusDir:  filepath.Join(s.dir, "dnsmasq"),
		ResolvConf: filepath.Join(s.dir, "resolv.conf"),
		Hosts:      filepath.Join(s.dir, "hosts"),
		Sysfs:      filepath.Join(s.dir, "sys"),
		Hook:       filepath.Join(s.dir, "hooks", "network"),
		SystemBus:  s.bus,
		NetnsEtc:   filepath.Join(s.dir, "netns"),

		RegisterDomains: s.register,
		AdmitGuests:     true,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.Run(ctx, func(ctx context.Context) error { close(ready); <-ctx.Done(); return nil })
	}()
	select {
	case <-ready:
	case err := <-ended:
		s.t.Fatalf("the manager ended: %v", err)
	}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Errorf("the manager ended: %v", err)
		}
		host.Close()
	}
	s.t.Cleanup(func() { s.stop() })
}

// testWriter logs to the test. What is written after the test is lost.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

func (s *site) mustDefine(doc string) Ref {
	s.t.Helper()
	ref, err := s.Define(context.Background(), []byte(doc), false)
	if err != nil {
		s.t.Fatal(err)
	}
	return ref
}

func (s *site) mustStart(doc string) Ref {
	s.t.Helper()
	ref := s.mustDefine(doc)
	if err := s.Start(context.Background(), ref.UUID); err != nil {
		s.t.Fatal(err)
	}
	return ref
}

// kernelState is what a failed call must leave as it was: links, addresses,
// routes, rules, and what is recorded as active.
func (s *site) kernelState() string {
	text := s.ns.Run(s.t, "ip -o link; ip -o addr; ip route; ip -6 route; nft -s list ruleset")
	active, err := filepath.Glob(filepath.Join(s.dir, "run", "*.xml"))
	if err != nil {
		s.t.Fatal(err)
	}
	return text + strings.Join(active, "\n")
}

const (
	natDoc = `<network><name>n</name><forward mode='nat'/><bridge name='virbr7'/>
<ip address='192.168.77.1' netmask='255.255.255.0'><dhcp><range start='192.168.77.2' end='192.168.77.9'/></dhcp></ip></network>`
	isolatedDoc = `<network><name>i</name><bridge name='virbr8'/><ip address='192.168.78.1' prefix='24'/></network>`
)

func TestStartMakesTheNetworkAndDestroyLeavesNothing(t *testing.T) {
	s := newSite(t)
	before := s.kernelState()
	ref := s.mustStart(natDoc)
	after := s.kernelState()
	for _, want := range []string{"virbr7", "192.168.77.1/24", "masquerade", "run/n.xml"} {
		if !strings.Contains(after, want) {
			t.Errorf("%s is not there:\n%s", want, after)
		}
	}
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, s.kernelState()); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// A daemon killed while it destroys a network must find it again, or nobody
// takes its bridge away.
func TestNetworkIsActiveOnDiskUntilItsBridgeIsGone(t *testing.T) {
	s := &site{t: t, ns: kerneltest.New(t), dir: t.TempDir()}
	recorded := false
	s.calling = func(method string) {
		if method == "RemoveBridge" {
			recorded = strings.Contains(s.kernelState(), "run/n.xml")
		}
	}
	s.start()
	ref := s.mustStart(natDoc)
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if !recorded {
		t.Error("it was not recorded any more when its bridge was about to be removed")
	}
}

func TestFailedStartLeavesTheHostAsItWas(t *testing.T) {
	tests := []struct {
		name, prepare, doc string
		kind               error
		text               string
	}{
		{"the bridge's name is taken", "ip link add virbr7 type veth peer name x", natDoc, ErrSystem, "error creating bridge interface virbr7: File exists"},
		{"the subnet is in use", "ip link add e type veth peer name x; ip link set e up; ip addr add 192.168.0.1/16 dev e", natDoc, nil, "in use by interface e: 192.168.77.0/24 overlaps 192.168.0.0/16"},
		{"no link can have the bridge's name", "true", strings.Replace(natDoc, "virbr7", "sixteenletters16", 1), nil, "\"sixteenletters16\": not a valid link name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			s.ns.Run(t, tt.prepare)
			ref := s.mustDefine(tt.doc)
			before := s.kernelState()
			err := s.Start(t.Context(), ref.UUID)
			if err == nil || !strings.HasSuffix(err.Error(), tt.text) || tt.kind != nil && !errors.Is(err, tt.kind) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
			if diff := cmp.Diff(before, s.kernelState()); diff != "" {
				t.Errorf("changed (-before +after):\n%s", diff)
			}
			if info, _ := s.LookupName("n"); info.Active {
				t.Error("the network counts as active")
			}
		})
	}
}

func TestStartOfAClientThatLeavesIsUndone(t *testing.T) {
	s := &site{t: t, ns: kerneltest.New(t), dir: t.TempDir()}
	ctx, leave := context.WithCancel(t.Context())
	s.calling = func(method string) {
		if method == "ListenDNS" {
			leave()
		}
	}
	s.start()
	ref := s.mustDefine(natDoc)
	before := s.kernelState()
	if err := s.Start(ctx, ref.UUID); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, s.kernelState()); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

func TestPortHeldByAnotherProgramIsNamedAndNothingStarts(t *testing.T) {
	for what, listen := range map[string]string{
		"DNS over UDP": "UDP4-RECV:53",
		"DNS over TCP": "TCP4-LISTEN:53",
		"DHCP":         "UDP4-RECV:67",
	} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t)
			held := s.ns.Start(t, "socat", "-u", listen, "/dev/null")
			port := listen[strings.LastIndex(listen, ":"):]
			kerneltest.Wait(t, 5*time.Second, "socat to listen", func() bool {
				return strings.Contains(s.ns.Run(t, "ss -lnut"), "0.0.0.0"+port)
			})
			ref := s.mustDefine(natDoc)
			before := s.kernelState()
			err := s.Start(t.Context(), ref.UUID)
			if err == nil || !strings.Contains(err.Error(), "socat") {
				t.Errorf("got %v, want an error that names socat (pid %d)", err, held.Pid())
			}
			if diff := cmp.Diff(before, s.kernelState()); diff != "" {
				t.Errorf("changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestStateChangesFollowLibvirt(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	ref := s.mustDefine(natDoc)
	wantErr := func(err error, kind error, text string) {
		t.Helper()
		if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	wantErr(s.Destroy(ctx, ref.UUID), ErrOperationInvalid, "network 'n' is not active")
	must(s.Start(ctx, ref.UUID))
	wantErr(s.Start(ctx, ref.UUID), ErrOperationInvalid, "network is already active")
	_, err := s.Create(ctx, []byte(strings.Replace(natDoc, "<name>n</name>", "<name>n</name><uuid>"+ref.UUID.String()+"</uuid>", 1)), false)
	wantErr(err, ErrOperationInvalid, "network is already active as 'n'")
	_, err = s.Define(ctx, []byte(natDoc), false)
	wantErr(err, ErrOperationFailed, "network 'n' already exists with uuid "+ref.UUID.String())
	_, err = s.Define(ctx, []byte("<network><name>other</name><uuid>"+ref.UUID.String()+"</uuid></network>"), false)
	wantErr(err, ErrOperationFailed, "network 'n' is already defined with uuid")
	_, err = s.Define(ctx, []byte("<network><name>other</name><bridge name='virbr7'/></network>"), false)
	if err == nil || !strings.Contains(err.Error(), "bridge name 'virbr7' already in use") {
		t.Errorf("two networks on one bridge: %v", err)
	}

	// Undefined while active it becomes transient, and is gone when destroyed.
	must(s.Undefine(ctx, ref.UUID))
	wantErr(s.Undefine(ctx, ref.UUID), ErrOperationInvalid, "can't undefine transient network")
	wantErr(s.SetAutostart(ctx, ref.UUID, true), ErrOperationInvalid, "cannot set autostart for transient network")
	info, err := s.LookupUUID(ref.UUID)
	must(err)
	if !info.Active || info.Persistent {
		t.Errorf("after undefine: %+v", info)
	}
	must(s.Destroy(ctx, ref.UUID))
	_, err = s.LookupUUID(ref.UUID)
	wantErr(err, ErrNotFound, "no network with matching uuid '"+ref.UUID.String()+"'")
}

func TestDefinitionOfAnActiveNetworkWaitsForItsNextStart(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(isolatedDoc)
	pending := strings.Replace(isolatedDoc, "<name>i</name>", "<name>i</name><uuid>"+ref.UUID.String()+"</uuid>", 1)
	s.mustDefine(strings.Replace(pending, "192.168.78.1", "192.168.79.1", 1))
	for inactive, want := range map[bool]string{false: "192.168.78.1", true: "192.168.79.1"} {
		if doc, err := s.XML(ref.UUID, inactive); err != nil || !strings.Contains(doc, want) {
			t.Errorf("inactive=%v: want %s in (%v)\n%s", inactive, want, err, doc)
		}
	}
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if addr := s.ns.Run(t, "ip -o -4 addr show virbr8"); !strings.Contains(addr, "192.168.79.1/24") {
		t.Errorf("the pending definition is not in force: %s", addr)
	}
}

func TestTransientNetworkOverADefinitionGivesItBack(t *testing.T) {
	s := newSite(t)
	ref := s.mustDefine(isolatedDoc)
	doc := strings.Replace(isolatedDoc, "<name>i</name>", "<name>i</name><uuid>"+ref.UUID.String()+"</uuid>", 1)
	if _, err := s.Create(t.Context(), []byte(strings.Replace(doc, "192.168.78.1", "192.168.80.1", 1)), false); err != nil {
		t.Fatal(err)
	}
	if addr := s.ns.Run(t, "ip -o -4 addr show virbr8"); !strings.Contains(addr, "192.168.80.1/24") {
		t.Errorf("not what was created: %s", addr)
	}
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if doc, err := s.XML(ref.UUID, false); err != nil || !strings.Contains(doc, "192.168.78.1") {
		t.Errorf("the definition is not back: %v\n%s", err, doc)
	}
}

func TestRestartAdoptsWithoutTouchingAnything(t *testing.T) {
	s := newSite(t)
	s.mustStart(natDoc)
	s.mustStart(isolatedDoc)
	_, err := s.Create(t.Context(), []byte(`<network><name>t</name><ip address='10.7.7.1' prefix='24'/></network>`), false)
	if err != nil {
		t.Fatal(err)
	}
	s.ns.Run(t, "ip link add g type veth peer name g2; ip link set g master virbr7; ip link set g up")
	before, listed := s.kernelState(), s.List()
	monitor := s.ns.Start(t, "sh", "-c", "exec ip monitor link address route 2>/dev/null")
	s.stop()
	s.start()
	if diff := cmp.Diff(before, s.kernelState()); diff != "" {
		t.Errorf("changed by a restart (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(listed, s.List()); diff != "" {
		t.Errorf("networks changed by a restart (-before +after):\n%s", diff)
	}
	if out := monitor.Output(); out != "" {
		t.Errorf("a restart touched links or addresses:\n%s", out)
	}
}

func TestWhatOthersTakeAwayIsPutBack(t *testing.T) {
	s := newSite(t)
	s.mustStart(natDoc)
	before := s.kernelState()
	for _, harm := range []string{
		"ip addr del 192.168.77.1/24 dev virbr7",
		"ip link set virbr7 down",
		"ip link del virbr7",
	} {
		t.Run(harm, func(t *testing.T) {
			s.t = t
			s.ns.Run(t, harm)
			want := linkState(before)
			kerneltest.Wait(t, 5*time.Second, "the bridge to be put back", func() bool { return linkState(s.kernelState()) == want })
		})
	}
}

func TestForwardingIsTurnedOnAgain(t *testing.T) {
	s := newSite(t)
	s.mustStart(natDoc)
	const file = "/proc/sys/net/ipv4/ip_forward"
	s.ns.Run(t, "echo 0 > "+file)
	kerneltest.Wait(t, 5*time.Second, "forwarding to be on", func() bool { return s.ns.Run(t, "cat "+file) == "1\n" })
}

// linkState leaves out what a new link of the same name differs in.
func linkState(state string) string {
	var kept []string
	for line := range strings.Lines(state) {
		if _, rest, ok := strings.Cut(line, ": "); ok {
			line = rest
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "")
}

func TestFirstDaemonDefinesDefaultInAFreeSubnet(t *testing.T) {
	s := &site{t: t, ns: kerneltest.New(t), dir: t.TempDir()}
	s.ns.Run(t, "ip link add e type veth peer name x; ip link set e up; ip addr add 192.168.122.7/24 dev e; ip link set e up")
	s.start()
	info, err := s.LookupName("default")
	if err != nil {
		t.Fatal(err)
	}
	if info.Active || !info.Persistent || info.Autostart || info.Bridge != "virbr0" {
		t.Errorf("got %+v", info)
	}
	if doc, _ := s.XML(info.UUID, true); !strings.Contains(doc, "192.168.123.1") {
		t.Errorf("want the subnet after the one in use:\n%s", doc)
	}
	if err := s.Undefine(t.Context(), info.UUID); err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.start()
	if all := s.List(); len(all) > 0 {
		t.Errorf("a network that was undefined is back: %+v", all)
	}
}

func TestAutostartHappensOncePerBoot(t *testing.T) {
	s := newSite(t)
	ref := s.mustDefine(isolatedDoc)
	if err := s.SetAutostart(t.Context(), ref.UUID, true); err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.start()
	if info, _ := s.LookupUUID(ref.UUID); info.Active || !info.Autostart {
		t.Errorf("a restart in the same boot started it: %+v", info)
	}
	s.stop()
	if err := os.RemoveAll(filepath.Join(s.dir, "run")); err != nil { // as a boot does
		t.Fatal(err)
	}
	s.start()
	if info, _ := s.LookupUUID(ref.UUID); !info.Active {
		t.Errorf("not started with the host: %+v", info)
	}
}

func TestHandWrittenDefinitionIsCompletedAndKept(t *testing.T) {
	s := newSite(t)
	s.stop()
	file := filepath.Join(s.dir, "networks", "hand.xml")
	if err := os.WriteFile(file, []byte("<network><name>hand</name><ip address='10.3.3.1' prefix='24'/></network>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "networks", "bad.xml"), []byte("<network><name>ba"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	info, err := s.LookupName("hand")
	if err != nil || info.Bridge == "" {
		t.Fatalf("%+v %v", info, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{info.UUID.String(), info.Bridge, "<mac address='52:54:00:", "vnetmgr net-edit hand"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s was not kept:\n%s", want, text)
		}
	}
	if _, err := s.LookupName("bad"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a broken file is a network: %v", err)
	}
}

func TestRefusedDefinitionChangesNothingOnDisk(t *testing.T) {
	s := newSite(t)
	s.mustDefine(natDoc)
	list := func() string {
		var text []string
		err := filepath.Walk(filepath.Join(s.dir, "networks"), func(path string, info os.FileInfo, err error) error {
			if err == nil && info.Mode().IsRegular() {
				b, _ := os.ReadFile(path)
				text = append(text, path, string(b))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(text, "\n")
	}
	before := list()
	for doc, kind := range map[string]xmlnet.Kind{
		"<network>":                           xmlnet.XMLDetail,
		"<network/>":                          xmlnet.NoName,
		"<network><name>a/b</name></network>": xmlnet.XMLDetail,
		"<network><name>x</name><forward mode='nat'/></network>":                                                           xmlnet.XMLError,
		"<network><name>x</name><forward mode='bridge'/><mac address='52:54:00:00:00:01'/></network>":                      xmlnet.ConfigUnsupported,
		"<network><name>x</name><ip address='10.0.0.1'><dhcp><range start='1.2.3.4' end='1.2.3.5'/></dhcp></ip></network>": xmlnet.InternalError,
	} {
		_, err := s.Define(t.Context(), []byte(doc), false)
		var refused *xmlnet.Error
		if !errors.As(err, &refused) || refused.Kind != kind {
			t.Errorf("%s: got %v, want kind %d", doc, err, kind)
		}
	}
	if diff := cmp.Diff(before, list()); diff != "" {
		t.Errorf("changed on disk:\n%s", diff)
	}
}

func TestEventsComeInOrderToEachSubscriber(t *testing.T) {
	s := newSite(t)
	a, cancelA := s.Subscribe()
	b, cancelB := s.Subscribe()
	defer cancelB()
	ref := s.mustStart(isolatedDoc)
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if err := s.Undefine(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	for name, events := range map[string]<-chan Event{"a": a, "b": b} {
		for _, want := range []EventKind{Defined, Started, Stopped, Undefined} {
			if got := <-events; got != (Event{Network: ref, Kind: want}) {
				t.Errorf("%s: got %+v, want %d", name, got, want)
			}
		}
	}
	cancelA()
	if _, open := <-a; open {
		t.Error("an event after cancel")
	}
	if n := len(s.events.subs); n != 1 {
		t.Errorf("events are kept for %d subscribers", n)
	}
}
