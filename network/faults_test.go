package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/internal/bustest"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/radv"
	"github.com/vnetmgr/vnetmgr/tftp"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

var errFault = errors.New("injected fault")

// faulty is a host on which one call fails: the one of a number, before it is
// made or, as if the answer was lost, afterwards. Nothing is healed.
type faulty struct {
	Host
	armed  bool
	calls  []string
	failAt int // counted from 1
	after  bool
	rules  []nat.Ruleset // that were applied
	signal chan struct{} // of RulesChanged
}

func (f *faulty) call(method string, do func() error) error {
	if !f.armed {
		return do()
	}
	f.calls = append(f.calls, method)
	now := len(f.calls) == f.failAt
	if now && !f.after {
		return errFault
	}
	err := do()
	if now && err == nil {
		err = errFault
	}
	return err
}

func (f *faulty) Observe(ctx context.Context) (have bridge.Host, err error) {
	err = f.call("Observe", func() error { have, err = f.Host.Observe(ctx); return err })
	return have, err
}

func (f *faulty) ApplyBridge(ctx context.Context, want bridge.Config) error {
	return f.call("ApplyBridge", func() error { return f.Host.ApplyBridge(ctx, want) })
}

func (f *faulty) TuneBridge(ctx context.Context, want bridge.Tuning) error {
	return f.call("TuneBridge", func() error { return f.Host.TuneBridge(ctx, want) })
}

func (f *faulty) SetFloors(ctx context.Context, link string, limit bridge.Rate, floors []bridge.Floor) error {
	return f.call("SetFloors", func() error { return f.Host.SetFloors(ctx, link, limit, floors) })
}

func (f *faulty) RemoveBridge(ctx context.Context, name, owner string) error {
	return f.call("RemoveBridge", func() error { return f.Host.RemoveBridge(ctx, name, owner) })
}

func (f *faulty) ApplyRules(ctx context.Context, want nat.Ruleset) error {
	f.rules = append(f.rules, want)
	return f.call("ApplyRules", func() error { return f.Host.ApplyRules(ctx, want) })
}

func (f *faulty) ListenDHCP4(link string, server netip.Addr) (c *dhcpd.Conn4, err error) {
	err = f.call("ListenDHCP4", func() error { c, err = f.Host.ListenDHCP4(link, server); return err })
	if errors.Is(err, errFault) && c != nil {
		c.Close()
	}
	return c, err
}

func (f *faulty) ListenDHCP6(link string, server netip.Addr) (c *dhcpd.Conn6, err error) {
	err = f.call("ListenDHCP6", func() error { c, err = f.Host.ListenDHCP6(link, server); return err })
	if errors.Is(err, errFault) && c != nil {
		c.Close()
	}
	return c, err
}

func (f *faulty) ListenDNS(link string, addr netip.Addr) (udp net.PacketConn, tcp net.Listener, err error) {
	err = f.call("ListenDNS", func() error { udp, tcp, err = f.Host.ListenDNS(link, addr); return err })
	if errors.Is(err, errFault) && udp != nil {
		udp.Close()
		tcp.Close()
	}
	return udp, tcp, err
}

func (f *faulty) ListenRA(link string) (c *radv.Conn, err error) {
	err = f.call("ListenRA", func() error { c, err = f.Host.ListenRA(link); return err })
	if errors.Is(err, errFault) && c != nil {
		c.Close()
	}
	return c, err
}

func (f *faulty) ListenTFTP(link string, addr netip.Addr) (c *tftp.Conn, err error) {
	err = f.call("ListenTFTP", func() error { c, err = f.Host.ListenTFTP(link, addr); return err })
	if errors.Is(err, errFault) && c != nil {
		c.Close()
	}
	return c, err
}

func (f *faulty) Translated(ctx context.Context, from []netip.Prefix) (flows []nat.Flow, err error) {
	err = f.call("Translated", func() error { flows, err = f.Host.Translated(ctx, from); return err })
	return flows, err
}

func (f *faulty) RulesChanged(ctx context.Context) (<-chan struct{}, error) {
	context.AfterFunc(ctx, func() { close(f.signal) })
	return f.signal, nil
}

func (f *faulty) LinksChanged(ctx context.Context) (<-chan bridge.Event, error) {
	never := make(chan bridge.Event)
	context.AfterFunc(ctx, func() { close(never) })
	return never, nil
}

// faultySite is a host that faults are injected into, with firewalld and
// systemd-resolved.
type faultySite struct {
	*site
	host *faulty
	fw   *bustest.Firewalld
	res  *bustest.Resolved
}

func newFaultySite(t *testing.T) *faultySite {
	bus := bustest.New(t)
	f := &faultySite{site: &site{t: t, ns: kerneltest.New(t), dir: t.TempDir(), bus: bus.Address}}
	f.fw = bus.Firewalld(t, []string{"libvirt", "libvirt-routed", "work"}, []string{"libvirt-routed-out"})
	f.res = bus.Resolved(t)
	f.wrap = func(h Host) Host {
		f.host = &faulty{Host: h, signal: make(chan struct{})}
		return f.host
	}
	f.start()
	return f
}

// whole is all that a call which fails must leave as it was: the kernel, what
// listens, all files, zones and what the host's resolver was told.
func (f *faultySite) whole() string {
	f.t.Helper()
	var files strings.Builder
	err := filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || strings.HasPrefix(filepath.Base(path), "leases.db") || strings.Contains(path, ".macs") || strings.HasSuffix(path, ".new") {
			return err // those of domains' addresses are written some time later, those half written have another name soon
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		fmt.Fprintf(&files, "%s:\n%s\n", strings.TrimPrefix(path, f.dir), text)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	var list strings.Builder
	for _, info := range f.List() {
		live, config := f.xmls(info.UUID)
		fmt.Fprintf(&list, "%+v\n%s\n%s\n", info, live, config)
	}
	state := f.ns.Run(f.t, `ip -o link | sed 's/^[0-9]*: //'; ip -o addr | sed 's/^[0-9]*: //; s/ tentative//'; ip route; ip -6 route; nft -s list ruleset
ss -Hlnuatw | awk '{print $1, $5}' | sed 's/%virbr7//' | sort; wc -l </proc/net/packet; bridge -d link
for l in virbr7 br0; do test -d /sys/class/net/$l || continue
tc qdisc show dev $l; tc class show dev $l; tc filter show dev $l ingress
cat /sys/class/net/$l/bridge/stp_state /sys/class/net/$l/bridge/forward_delay /sys/class/net/$l/bridge/vlan_filtering /proc/sys/net/ipv6/conf/$l/disable_ipv6; done
ss -Hlnu | grep -q 192.168.77.1 && dig +short +tries=2 +time=5 @192.168.77.1 t TXT || true`)
	return strings.Join([]string{list.String(), files.String(), state, fmt.Sprint(f.fw.Links())}, "\n----\n")
}

// tolerated are steps whose fault is logged and does not end a call.
var tolerated = []string{"Translated"}

// everyFault makes a call again and again, with a fault in each of its steps in
// turn, before and after the step; each failure must leave all as it was. back
// takes the call back where it succeeds, which it must without a fault.
func (f *faultySite) everyFault(t *testing.T, call, back func() error) {
	t.Helper()
	f.t = t
	before := f.whole()
	var steps []string
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			f.host.calls, f.host.failAt, f.host.after, f.host.armed = nil, at, after, true
			err := call()
			f.host.armed = false
			done := len(f.host.calls) < at
			step := "no fault"
			if !done {
				step = fmt.Sprintf("fault %d, %s (after it: %v)", at, f.host.calls[at-1], after)
				steps = append(steps, f.host.calls[at-1])
			}
			switch harmless := done || slices.Contains(tolerated, f.host.calls[at-1]); {
			case harmless && err != nil:
				t.Fatalf("%s: %v", step, err)
			case harmless:
				if err := back(); err != nil {
					t.Fatalf("%s: taken back: %v", step, err)
				}
			case !errors.Is(err, errFault):
				t.Errorf("%s: %v", step, err)
			}
			if diff := cmp.Diff(before, f.whole()); diff != "" {
				t.Fatalf("%s (-before +after):\n%s", step, diff)
			}
			if done {
				break
			}
		}
	}
	if len(steps) < 2 {
		t.Errorf("faults in %q: too few", steps)
	}
	t.Logf("%d faults: %s", len(steps), strings.Join(steps, " "))
}

// Definitions of one network, with nearly all that a network can have.
var (
	richBody = "<forward mode='nat'><nat ipv6='yes'/></forward><bridge name='virbr7' stp='off' zone='work'/><mtu size='1400'/>" +
		"<domain name='rich.test' localOnly='yes' register='yes'/><dns><txt name='t' value='v'/></dns>" +
		"<bandwidth><inbound average='1000' peak='2000' burst='1024'/></bandwidth>" +
		"<ip address='192.168.77.1' netmask='255.255.255.0'><dhcp><range start='192.168.77.2' end='192.168.77.9'/></dhcp></ip>" +
		"<ip family='ipv6' address='fd77::1' prefix='64'><dhcp><range start='fd77::10' end='fd77::20'/></dhcp></ip>" +
		"<route address='10.99.0.0' prefix='16' gateway='192.168.77.3' metric='7'/>"
	otherBody = "<forward mode='route'/><bridge name='virbr7' delay='3'/><domain name='other.test' localOnly='yes' register='yes'/>" +
		"<dns><txt name='t' value='w'/></dns><bandwidth><inbound average='3000'/></bandwidth>" +
		"<ip address='192.168.77.1' netmask='255.255.255.0'><dhcp><range start='192.168.77.2' end='192.168.77.99'/></dhcp></ip>" +
		"<ip address='10.77.1.1' prefix='24'/><ip family='ipv6' address='fd77:0:0:1::1' prefix='64'/>"
)

func TestStartThatFailsAtAnyStepLeavesNothing(t *testing.T) {
	f := newFaultySite(t)
	f.ns.Run(t, "ip link add br0 type bridge; ip link set br0 up")
	for name, doc := range map[string]string{
		"rich": liveDoc(richBody), "other": liveDoc(otherBody),
		"host's bridge": "<network><name>b</name><forward mode='bridge'/><bridge name='br0'/><bandwidth><inbound average='1000'/></bandwidth></network>",
	} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			ref := f.mustDefine(doc)
			f.everyFault(t, func() error { return f.Start(t.Context(), ref.UUID) }, func() error {
				// The lease file stays, as libvirt's does.
				return errors.Join(f.Destroy(t.Context(), ref.UUID), f.removeStatus("virbr7"))
			})
			if err := f.Undefine(t.Context(), ref.UUID); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("transient", func(t *testing.T) {
		f.t = t
		f.everyFault(t, func() error { _, err := f.Create(t.Context(), []byte(liveDoc(richBody)), false); return err },
			func() error { info, _ := f.LookupName("n"); return f.Destroy(t.Context(), info.UUID) })
	})
}

func TestLiveDefinitionThatFailsAtAnyStepIsUndone(t *testing.T) {
	for name, bodies := range map[string][2]string{"rich to other": {richBody, otherBody}, "other to rich": {otherBody, richBody}, "rich to little": {richBody, "<bridge name='virbr7'/>"}} {
		t.Run(name, func(t *testing.T) {
			f := newFaultySite(t)
			ref := f.mustStart(liveDoc(bodies[0]))
			if strings.Contains(bodies[1], "<inbound") {
				if _, _, err := f.CreatePort(ref.UUID, floorPort(1, 300), PortOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			define := func(body string) func() error {
				return func() error { _, err := f.DefineLive(t.Context(), []byte(liveDoc(body)), false); return err }
			}
			f.everyFault(t, define(bodies[1]), define(bodies[0]))
		})
	}
	t.Run("of a transient network", func(t *testing.T) {
		f := newFaultySite(t)
		if _, err := f.Create(t.Context(), []byte(liveDoc(richBody)), false); err != nil {
			t.Fatal(err)
		}
		info, _ := f.LookupName("n")
		f.everyFault(t,
			func() error { _, err := f.DefineLive(t.Context(), []byte(liveDoc(otherBody)), false); return err },
			func() error {
				_, err := f.DefineLive(t.Context(), []byte(liveDoc(richBody)), false)
				return errors.Join(err, f.Undefine(t.Context(), info.UUID))
			})
	})
	t.Run("of a host's bridge", func(t *testing.T) {
		f := newFaultySite(t)
		f.ns.Run(t, "ip link add br0 type bridge; ip link set br0 up")
		doc := func(rate string) []byte {
			return []byte("<network><name>b</name>" + liveUUID + "<forward mode='bridge'/><bridge name='br0'/>" + rate + "</network>")
		}
		f.mustStart(string(doc("<bandwidth><inbound average='1000'/></bandwidth>")))
		f.everyFault(t, func() error { _, err := f.DefineLive(t.Context(), doc(""), false); return err },
			func() error {
				_, err := f.DefineLive(t.Context(), doc("<bandwidth><inbound average='1000'/></bandwidth>"), false)
				return err
			})
	})
}

func TestUpdateThatFailsAtAnyStepIsUndone(t *testing.T) {
	f := newFaultySite(t)
	ref := f.mustStart(liveDoc(richBody))
	for name, u := range map[string]xmlnet.Update{
		"dhcp host":  {Section: xmlnet.SectionDHCPHost, ParentIndex: 0, XML: []byte(addHost)},
		"dhcp range": {Section: xmlnet.SectionDHCPRange, ParentIndex: 0, XML: []byte("<range start='192.168.77.100' end='192.168.77.110'/>")},
		"dns txt":    {Section: xmlnet.SectionDNSTXT, ParentIndex: -1, XML: []byte("<txt name='x' value='y'/>")},
		"forward":    {Section: xmlnet.SectionForwardInterface, ParentIndex: -1, XML: []byte("<interface dev='lo'/>")},
	} {
		t.Run(name, func(t *testing.T) {
			update := func(c xmlnet.Command) func() error {
				return func() error {
					u.Command = c
					return f.Update(t.Context(), ref.UUID, u, AffectLive|AffectConfig)
				}
			}
			f.everyFault(t, update(xmlnet.AddLast), update(xmlnet.Delete))
		})
	}
}

// unwritable makes a folder one that no file can be written to, until the
// function that it returns is called.
func (f *faultySite) unwritable(folder string) func() {
	path := filepath.Join(f.dir, folder)
	if err := errors.Join(os.Rename(path, path+".away"), os.WriteFile(path, nil, 0o600)); err != nil {
		f.t.Fatal(err)
	}
	return func() {
		if err := errors.Join(os.Remove(path), os.Rename(path+".away", path)); err != nil {
			f.t.Fatal(err)
		}
	}
}

func TestDiskThatTakesNothingChangesNothing(t *testing.T) {
	f := newFaultySite(t)
	ref := f.mustStart(liveDoc(richBody))
	idle := f.mustDefine(isolatedDoc)
	before := f.whole()
	both := AffectLive | AffectConfig
	for name, tt := range map[string]struct {
		folder string
		call   func() error
	}{
		"define": {"networks", func() error { _, err := f.Define(t.Context(), []byte(liveDoc(otherBody)), false); return err }},
		"define a new one": {"networks", func() error {
			_, err := f.Define(t.Context(), []byte("<network><name>new</name></network>"), false)
			return err
		}},
		"define live":      {"networks", func() error { _, err := f.DefineLive(t.Context(), []byte(liveDoc(otherBody)), false); return err }},
		"define live, run": {"run", func() error { _, err := f.DefineLive(t.Context(), []byte(liveDoc(otherBody)), false); return err }},
		"update config":    {"networks", func() error { return f.Update(t.Context(), ref.UUID, addTXT("x"), AffectConfig) }},
		"update both":      {"networks", func() error { return f.Update(t.Context(), ref.UUID, addTXT("x"), both) }},
		"update both, run": {"run", func() error { return f.Update(t.Context(), ref.UUID, addTXT("x"), both) }},
		"update live":      {"run", func() error { return f.Update(t.Context(), ref.UUID, addTXT("x"), AffectLive) }},
		"start":            {"run", func() error { return f.Start(t.Context(), idle.UUID) }},
		"create a transient": {"run", func() error {
			_, err := f.Create(t.Context(), []byte("<network><name>new</name></network>"), false)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			repair := f.unwritable(tt.folder)
			err := tt.call()
			repair()
			if err == nil {
				t.Error("no error")
			}
			if diff := cmp.Diff(before, f.whole()); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
		})
	}
}

// What another program does to the rules makes those of all active networks be
// applied again.
func TestChangedRulesArePutBack(t *testing.T) {
	f := newFaultySite(t)
	f.mustStart(liveDoc(richBody))
	f.mustStart(isolatedDoc)
	f.mustDefine("<network><name>idle</name></network>")
	applied := func() int { f.change.Lock(); defer f.change.Unlock(); return len(f.host.rules) }
	before := applied()
	f.host.signal <- struct{}{}
	kerneltest.Wait(t, 10*time.Second, "the rules to be applied", func() bool { return applied() > before })
	f.change.Lock()
	defer f.change.Unlock()
	var names []string
	for _, n := range f.host.rules[before].Networks {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"i", "n"}, names); diff != "" {
		t.Errorf("networks (-want +got):\n%s", diff)
	}
}

// What was refused because it could not be written is not written later either,
// beside what a port was promised.
func TestDefinitionThatCouldNotBeWrittenIsForgotten(t *testing.T) {
	f := newFaultySite(t)
	ref := f.mustStart(liveDoc(richBody))
	repair := f.unwritable("run")
	_, err := f.DefineLive(t.Context(), []byte(liveDoc(otherBody)), false)
	repair()
	if err == nil {
		t.Fatal("no error")
	}
	if _, _, err := f.CreatePort(ref.UUID, floorPort(1, 300), PortOptions{}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(f.dir, "run", "n.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "rich.test") || strings.Contains(string(text), "other.test") {
		t.Errorf("the active definition is\n%s", text)
	}
}
