package cli

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// fakeDaemon speaks the network driver's protocol on two sockets, with
// networks that exist in memory only.
type fakeDaemon struct {
	socket string

	mu         sync.Mutex // guards all that follows
	networks   []*fakeNetwork
	lacks      []wire.Proc // answered as unknown
	foreign    bool        // it is libvirt's, without our own program
	denied     bool        // the read-write socket authorises nobody
	events     []*fakeRegistration
	registered chan wire.EventRegisterArgs // told of each registration
	calls      []wire.Proc
}

type fakeNetwork struct {
	name, xml, bridge, title string
	uuid                     wire.UUID
	active, persistent, auto bool
	leases                   []wire.Lease
	meta                     map[string]string // descriptions and elements, see metadata
	updates                  []wire.UpdateArgs
	ports                    []fakePort
}

// fakeRegistration is a client's interest in an event.
type fakeRegistration struct {
	conn     *fakeConn
	callback int32
	event    int32
	network  *wire.Network
}

// newFakeDaemon serves three networks until the test ends: default, active
// with two leases; Zed, inactive and autostarted; and a transient one with a
// wide name.
func newFakeDaemon(t *testing.T) *fakeDaemon {
	t.Helper()
	d := makeFakeDaemon(filepath.Join(t.TempDir(), "sock"))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	listeners, err := d.listen()
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- d.serve(ctx, listeners) }()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return d
}

func makeFakeDaemon(socket string) *fakeDaemon {
	d := &fakeDaemon{socket: socket, registered: make(chan wire.EventRegisterArgs, 8)}
	d.networks = []*fakeNetwork{
		{
			name: "Zed", uuid: wire.UUID{15: 2}, xml: "<network>\n  <name>Zed</name>\n  <title>From XML</title>\n</network>\n",
			persistent: true, auto: true, title: "The last",
		},
		{
			name: "default", uuid: wire.UUID{15: 1}, bridge: "virbr0", active: true, persistent: true,
			xml:   "<network>\n  <name>default</name>\n  <bridge name='virbr0' stp='on'/>\n  <ip address='192.168.122.1' netmask='255.255.255.0'/>\n</network>\n",
			ports: []fakePort{{wire.UUID{15: 9}, "<networkport>\n  <owner>nine</owner>\n</networkport>\n"}, {wire.UUID{15: 8}, ""}},
			leases: []wire.Lease{
				{Link: "virbr0", MAC: new("52:54:00:00:00:02"), IAID: new("7"), Type: wire.LeaseIPv6, Addr: "fd00::2", Prefix: 64, Expiry: 1_700_000_000, ClientID: new("00:01")},
				{Link: "virbr0", MAC: new("52:54:00:00:00:01"), Addr: "192.168.122.5", Prefix: 24, Hostname: new("guest")},
			},
		},
		{name: "日本", uuid: wire.UUID{15: 3}, active: true, xml: "<network>\n  <name>日本</name>\n</network>\n"},
	}
	return d
}

// listen opens the read-write and the read-only socket.
func (d *fakeDaemon) listen() ([]net.Listener, error) {
	rw, err := net.Listen("unix", d.socket)
	if err != nil {
		return nil, err
	}
	ro, err := net.Listen("unix", d.socket+roSuffix)
	return []net.Listener{rw, ro}, err
}

// serve serves until ctx ends.
func (d *fakeDaemon) serve(ctx context.Context, listeners []net.Listener) error {
	var wg sync.WaitGroup
	for _, l := range listeners {
		context.AfterFunc(ctx, func() { l.Close() })
		wg.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				c := &fakeConn{daemon: d, conn: conn, readOnly: strings.HasSuffix(l.Addr().String(), roSuffix)}
				wg.Go(func() {
					defer stop()
					c.serve()
				})
			}
		})
	}
	wg.Wait()
	return nil
}

// fakeConn is one client.
type fakeConn struct {
	daemon   *fakeDaemon
	conn     net.Conn
	readOnly bool
	writing  sync.Mutex
}

func (c *fakeConn) serve() {
	defer c.conn.Close()
	r := bufio.NewReader(c.conn)
	for {
		f, err := wire.ReadFrame(r, wire.MaxFrame)
		if err != nil {
			return
		}
		if f.IsKeepalive() {
			c.conn.Write(wire.Keepalive(wire.KeepalivePong))
			continue
		}
		ret, err := c.answer(f)
		h := f.Header
		h.Type = wire.Reply
		var remote *wire.Error
		if errors.As(err, &remote) {
			h.Status, ret = wire.Failed, *remote
		} else if err != nil {
			panic(err)
		}
		c.send(h, ret)
		if f.Proc == wire.ConnectClose {
			return
		}
	}
}

func (c *fakeConn) send(h wire.Header, body any) {
	b, err := wire.Encode(h, body)
	if err != nil {
		panic(err)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.conn.Write(b)
}

func refuse(code wire.Code, format string, args ...any) error {
	return &wire.Error{Code: code, Domain: 19, Level: wire.LevelError, Message: new(fmt.Sprintf(format, args...))}
}

// answer does what one call asks for.
func (c *fakeConn) answer(f wire.Frame) (any, error) {
	d := c.daemon
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, f.Proc)
	if slices.Contains(d.lacks, f.Proc) {
		return nil, refuse(wire.CodeRPC, "unknown procedure: %d", f.Proc)
	}
	if f.Program == wire.ProgramOwn {
		return d.answerOwn(f)
	}
	switch f.Proc {
	case wire.AuthList:
		if d.denied && !c.readOnly {
			return nil, refuse(wire.CodeAuthFailed, "authentication failed: not today")
		}
		return []int32{wire.AuthNone}, nil
	case wire.ConnectOpen, wire.ConnectClose, wire.NetworkEventDeregisterAny:
		return wire.Empty{}, nil
	case wire.ConnectGetType:
		return "network", nil
	case wire.ConnectGetLibVersion:
		return uint64(11_003_000), nil
	case wire.ConnectListAllNetworks:
		return decoded(f, d.list)
	case wire.NetworkLookupByName:
		return decoded(f, d.lookupName)
	case wire.NetworkLookupByUUID:
		return decoded(f, d.lookupUUID)
	case wire.NetworkDefineXML, wire.NetworkCreateXML:
		return decoded(f, func(doc string) (any, error) { return d.define(doc, f.Proc == wire.NetworkCreateXML, false) })
	case wire.NetworkDefineXMLFlags, wire.NetworkCreateXMLFlags:
		return decoded(f, func(a wire.XMLFlagsArgs) (any, error) {
			return d.define(a.XML, f.Proc == wire.NetworkCreateXMLFlags, a.Flags == wire.XMLValidate)
		})
	case wire.NetworkEventRegisterAny:
		return decoded(f, func(a wire.EventRegisterArgs) (any, error) { return d.register(c, a) })
	}
	return d.answerNetwork(f)
}

// decoded calls do with the arguments of f.
func decoded[T any](f wire.Frame, do func(T) (any, error)) (any, error) {
	var args T
	if err := wire.Unmarshal(f.Payload, &args); err != nil {
		return nil, err
	}
	return do(args)
}

// answerNetwork answers calls about one network.
func (d *fakeDaemon) answerNetwork(f wire.Frame) (any, error) {
	switch f.Proc {
	case wire.NetworkGetXMLDesc:
		return decoded(f, func(a wire.GetXMLArgs) (any, error) {
			return d.with(a.Network, func(n *fakeNetwork) (any, error) { return n.xml, nil })
		})
	case wire.NetworkSetAutostart:
		return decoded(f, func(a wire.SetAutostartArgs) (any, error) {
			return d.with(a.Network, func(n *fakeNetwork) (any, error) {
				if !n.persistent {
					return nil, refuse(wire.CodeOperationInvalid, "Requested operation is not valid: cannot set autostart for transient network")
				}
				n.auto = a.Autostart != 0
				return wire.Empty{}, nil
			})
		})
	case wire.NetworkGetDHCPLeases:
		return decoded(f, d.leases)
	case wire.NetworkListAllPorts, wire.NetworkPortLookupByUUID, wire.NetworkPortCreateXML, wire.NetworkPortGetXMLDesc, wire.NetworkPortDelete:
		return d.answerPort(f)
	case wire.NetworkGetMetadata:
		return decoded(f, d.getMetadata)
	case wire.NetworkSetMetadata:
		return decoded(f, d.setMetadata)
	case wire.NetworkUpdate:
		return decoded(f, d.update)
	}
	return decoded(f, func(n wire.Network) (any, error) {
		return d.with(n, func(n *fakeNetwork) (any, error) { return d.simple(f.Proc, n) })
	})
}

// simple answers calls whose only argument is a network.
func (d *fakeDaemon) simple(p wire.Proc, n *fakeNetwork) (any, error) {
	switch p {
	case wire.NetworkIsActive:
		return yesNo(n.active), nil
	case wire.NetworkIsPersistent:
		return yesNo(n.persistent), nil
	case wire.NetworkGetAutostart:
		return yesNo(n.auto), nil
	case wire.NetworkGetBridgeName:
		if n.bridge == "" {
			return nil, refuse(wire.CodeInternal, "internal error: network '%s' does not have a bridge name.", n.name)
		}
		return n.bridge, nil
	case wire.NetworkCreate:
		if n.active {
			return nil, refuse(wire.CodeOperationInvalid, "Requested operation is not valid: network is already active")
		}
		n.active = true
		d.emit(n, 2)
		return wire.Empty{}, nil
	case wire.NetworkDestroy:
		if !n.active {
			return nil, refuse(wire.CodeOperationInvalid, "Requested operation is not valid: network '%s' is not active", n.name)
		}
		n.active = false
		d.emit(n, 3)
		return wire.Empty{}, nil
	case wire.NetworkUndefine:
		if !n.persistent {
			return nil, refuse(wire.CodeOperationInvalid, "Requested operation is not valid: can't undefine transient network")
		}
		n.persistent = false
		d.emit(n, 1)
		return wire.Empty{}, nil
	}
	return nil, refuse(wire.CodeRPC, "unknown procedure: %d", p)
}

func yesNo(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

func (d *fakeDaemon) with(ref wire.Network, do func(*fakeNetwork) (any, error)) (any, error) {
	for _, n := range d.networks {
		if n.uuid == ref.UUID {
			return do(n)
		}
	}
	return nil, refuse(wire.CodeNoNetwork, "Network not found: no network with matching uuid")
}

func (n *fakeNetwork) ref() wire.Network { return wire.Network{Name: n.name, UUID: n.uuid} }

func (d *fakeDaemon) lookupName(name string) (any, error) {
	for _, n := range d.networks {
		if n.name == name {
			return n.ref(), nil
		}
	}
	return nil, refuse(wire.CodeNoNetwork, "Network not found: no network with matching name '%s'", name)
}

func (d *fakeDaemon) lookupUUID(u wire.UUID) (any, error) {
	for _, n := range d.networks {
		if n.uuid == u {
			return n.ref(), nil
		}
	}
	return nil, refuse(wire.CodeNoNetwork, "Network not found: no network with matching uuid '%x'", u)
}

// list filters as rpc.md says: flags of a group are alternatives, groups
// must all hold.
func (d *fakeDaemon) list(a wire.ListAllArgs) (any, error) {
	group := func(n bool, yes, no uint32) bool {
		return a.Flags&(yes|no) == 0 || n && a.Flags&yes != 0 || !n && a.Flags&no != 0
	}
	var ret wire.ListAllRet
	for _, n := range d.networks {
		if group(n.active, wire.ListActive, wire.ListInactive) && group(n.persistent, wire.ListPersistent, wire.ListTransient) &&
			group(n.auto, wire.ListAutostart, wire.ListNoAutostart) {
			ret.Networks = append(ret.Networks, n.ref())
			ret.Count++
		}
	}
	return ret, nil
}

func (d *fakeDaemon) leases(a wire.GetLeasesArgs) (any, error) {
	return d.with(a.Network, func(n *fakeNetwork) (any, error) {
		var ret wire.GetLeasesRet
		for _, l := range n.leases {
			if a.MAC != nil && len(*a.MAC) != 17 {
				return nil, refuse(wire.CodeInvalidMAC, "invalid MAC address: %s", *a.MAC)
			}
			if a.MAC == nil || strings.EqualFold(*a.MAC, *l.MAC) {
				ret.Leases = append(ret.Leases, l)
				ret.Count++
			}
		}
		return ret, nil
	})
}

// define takes any well-formed document with a name that does not say
// "invalid".
func (d *fakeDaemon) define(doc string, start, validate bool) (any, error) {
	var parsed struct {
		Name string `xml:"name"`
	}
	if xml.Unmarshal([]byte(doc), &parsed) != nil || strings.Contains(doc, "invalid") {
		return nil, refuse(wire.CodeXMLDetail, "XML error: no good")
	}
	if validate && strings.Contains(doc, "foreign") {
		return nil, refuse(wire.CodeXMLDetail, "XML document failed to validate against schema")
	}
	for _, n := range d.networks {
		if n.name == parsed.Name {
			n.xml, n.persistent = doc, true
			d.emit(n, 0)
			return n.ref(), nil
		}
	}
	n := &fakeNetwork{name: parsed.Name, xml: doc, uuid: wire.UUID{0: 9, 15: byte(len(d.networks))}, active: start, persistent: !start}
	d.networks = append(d.networks, n)
	return n.ref(), nil
}

func (d *fakeDaemon) register(c *fakeConn, a wire.EventRegisterArgs) (any, error) {
	r := &fakeRegistration{conn: c, callback: int32(len(d.events)), event: a.EventID, network: a.Network}
	d.events = append(d.events, r)
	d.registered <- a
	return r.callback, nil
}

// emit sends a lifecycle event to whom it concerns.
func (d *fakeDaemon) emit(n *fakeNetwork, event int32) {
	d.message(wire.NetworkEventLifecycle, wire.EventLifecycle, n, func(callback int32) any {
		return wire.LifecycleEvent{CallbackID: callback, Network: n.ref(), Event: event}
	})
}

func (d *fakeDaemon) message(p wire.Proc, event int32, n *fakeNetwork, body func(callback int32) any) {
	for _, r := range d.events {
		if r.event == event && (r.network == nil || r.network.UUID == n.uuid) {
			r.conn.send(wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: p, Type: wire.Message}, body(r.callback))
		}
	}
}

// find returns the network of that name; the caller holds mu or is alone.
func (d *fakeDaemon) find(name string) *fakeNetwork {
	for _, n := range d.networks {
		if n.name == name {
			return n
		}
	}
	return nil
}

// result is what one run of the command line left behind.
type result struct {
	Out, Err string
	Status   int
}

// runMain runs the command line with an environment of its own.
func runMain(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var out, errOut strings.Builder
	status := Main(t.Context(), args, Env{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errOut, Version: "1.2.3",
		Getenv: func(name string) string { return env[name] },
	})
	return result{out.String(), errOut.String(), status}
}

// run runs the command line against this daemon.
func (d *fakeDaemon) run(t *testing.T, args ...string) result {
	t.Helper()
	return runMain(t, map[string]string{"VNETMGR_SOCKET": d.socket, "EDITOR": os.Getenv("EDITOR")}, args...)
}
