package rpc

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func TestAttachRequestsAreReadOrRefused(t *testing.T) {
	full := wire.PortAttachArgs{
		Link: "fc0", MAC: "52:54:00:00:00:01", Addr: "192.168.122.7", Addr6: "fd00::7", Name: "web", Key: "k", User: new(uint32(7)),
		Inbound: &wire.PortRate{Average: 1, Floor: 2}, Flags: wire.AttachExisting | wire.AttachMACRule | wire.AttachNameIfFree,
	}
	mac, _ := xmlnet.ParseMAC("52:54:00:00:00:01")
	want := network.AttachRequest{
		Link: "fc0", Existing: true, MAC: mac, Addr: netip.MustParseAddr("192.168.122.7"), Addr6: netip.MustParseAddr("fd00::7"),
		Name: "web", NameIfFree: true, MACRule: true, Key: "k", User: full.User,
		Bandwidth: &xmlnet.Bandwidth{Inbound: &xmlnet.Rate{Average: 1, Floor: 2}},
	}
	got, err := attachRequest(full)
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for text, args := range map[string]wire.PortAttachArgs{
		"x":                                       {MAC: "x"},
		"'fd00::1' is not an IPv4 address":        {Addr: "fd00::1"},
		"'1.2.3.4' is not an IPv6 address":        {Addr6: "1.2.3.4"},
		"'fe80::1%eth0' is not an IPv6 address":   {Addr6: "fe80::1%eth0"},
		"'::ffff:1.2.3.4' is not an IPv6 address": {Addr6: "::ffff:1.2.3.4"},
		"an existing tap is attached by its name, and to no namespace": {Flags: wire.AttachExisting},
	} {
		if _, err := attachRequest(args); err == nil || err.Error() != text {
			t.Errorf("%+v: %v, want %q", args, err, text)
		}
	}
}

// links is Attachments that remember what they were asked.
type links struct {
	asked  network.AttachRequest
	detach error
}

func (l *links) Attach(_ context.Context, id xmlnet.UUID, req network.AttachRequest) (network.AttachedLink, error) {
	l.asked = req
	return network.AttachedLink{
		Attachment: port.Attachment{UUID: xmlnet.UUID{1}, Link: "fc0", Tap: &port.Tap{User: new(uint32(7)), VNetHdr: true}},
		On:         network.Ref{Name: "up", UUID: id}, MTU: 1500, Addrs: []netip.Prefix{netip.MustParsePrefix("192.168.122.7/24")}, Known: true,
	}, nil
}

func (l *links) Detach(context.Context, xmlnet.UUID, xmlnet.UUID) error { return l.detach }

func (l *links) AttachedLinks(ctx context.Context, id xmlnet.UUID) ([]network.AttachedLink, error) {
	a, err := l.Attach(ctx, id, network.AttachRequest{})
	return []network.AttachedLink{a}, err
}

func TestAttachmentsOverTheWire(t *testing.T) {
	l := &links{detach: &network.Error{Kind: network.ErrNoPort, Text: "Network port with UUID x does not exist"}}
	s := serve(t, newMemory("idle", "up"), Options{Attachments: l})
	c, err := wire.Dial(t.Context(), s.rw, systemURI, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	want := wire.AttachedPort{
		UUID: wire.UUID{1}, Network: up, Link: "fc0", MTU: 1500, User: new(uint32(7)), Addrs: []string{"192.168.122.7/24"},
		Flags: wire.AttachVNetHdr | wire.AttachedBefore,
	}
	var got wire.AttachedPort
	if err := c.CallOwn(t.Context(), wire.OwnPortAttach, wire.PortAttachArgs{Network: up, Link: "fc0"}, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if l.asked.Caller != uint32(os.Getuid()) {
		t.Errorf("asked by user %d", l.asked.Caller)
	}
	var list wire.PortListRet
	if err := c.CallOwn(t.Context(), wire.OwnPortList, up, &list); err != nil || len(list.Ports) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	reader, err := wire.Dial(t.Context(), s.ro, systemURI, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	err = reader.CallOwn(t.Context(), wire.OwnPortAttach, wire.PortAttachArgs{Network: up}, &got)
	if e, ok := err.(*wire.Error); !ok || e.Code != wire.CodeOperationDenied {
		t.Errorf("a reader attaches: %v", err)
	}
	for name, call := range map[string]struct {
		proc wire.Proc
		args any
		code wire.Code
	}{
		"a port that is not there": {wire.OwnPortDetach, wire.PortDetachArgs{Network: up}, wire.CodeNoPort},
		"an unknown flag":          {wire.OwnPortAttach, wire.PortAttachArgs{Network: up, Flags: wire.AttachedBefore}, wire.CodeInvalidArg},
		"a key without end":        {wire.OwnPortAttach, wire.PortAttachArgs{Network: up, Key: strings.Repeat("k", maxKey+1)}, wire.CodeInvalidArg},
		"a MAC address of nobody":  {wire.OwnPortAttach, wire.PortAttachArgs{Network: up, MAC: "x"}, wire.CodeInvalidMAC},
	} {
		err := c.CallOwn(t.Context(), call.proc, call.args, &wire.Empty{})
		if e, ok := err.(*wire.Error); !ok || e.Code != call.code {
			t.Errorf("%s: %v, want code %d", name, err, call.code)
		}
	}
}
