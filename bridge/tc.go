package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Handles of traffic control (include/uapi/linux/pkt_sched.h).
const (
	rootParent    = 0xffffffff // TC_H_ROOT
	ingressParent = 0xfffffff1 // TC_H_INGRESS
	ingressMajor  = 0xffff0000
	clsactIngress = 0xfffffff2 // TC_H_CLSACT, TC_H_MIN_INGRESS
	rootMajor     = 0x00010000 // our root qdisc is 1:
)

// Attributes that nl does not name (include/uapi/linux/pkt_cls.h).
const policeRate64 = 8 // TCA_POLICE_RATE64

// qdisc is what the kernel says of a queueing discipline.
type qdisc struct {
	kind   string // "" if there is none but the default
	handle uint32
	defcls uint32 // of HTB: the class of what no filter names
}

// ours reports whether it is the root of a bridge's classes: HTB, 1:, default
// 2. libvirt makes the same.
func (q qdisc) ours() bool {
	return q.kind == "htb" && q.handle == rootMajor && q.defcls == restClass
}

// tcRequest begins a request about a link's traffic control.
func (c *Conn) tcRequest(msgType, flags, index int, handle, parent, info uint32) *nl.NetlinkRequest {
	req := c.request(msgType, flags)
	req.AddData(&nl.TcMsg{Family: unix.AF_UNSPEC, Ifindex: int32(index), Handle: handle, Parent: parent, Info: info})
	return req
}

// kindAttr is TCA_KIND.
func kindAttr(kind string) *nl.RtAttr { return nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated(kind)) }

// optionsAttr is TCA_OPTIONS around others.
func optionsAttr(inner ...*nl.RtAttr) *nl.RtAttr {
	options := nl.NewRtAttr(nl.TCA_OPTIONS, nil)
	for _, a := range inner {
		options.AddChild(a)
	}
	return options
}

// qdisc asks for the queueing discipline below a parent; the zero value means
// that there is none, or the one that the kernel gives every link.
func (c *Conn) qdisc(ctx context.Context, index int, parent uint32) (qdisc, error) {
	if err := ctx.Err(); err != nil {
		return qdisc{}, err
	}
	// Without ECHO the kernel tells everybody but us. Of some default ones it
	// tells nothing, which the ACK ends the wait for.
	req := c.tcRequest(unix.RTM_GETQDISC, unix.NLM_F_ECHO|unix.NLM_F_ACK, index, 0, parent, 0)
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWQDISC)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL): // none; noop
		return qdisc{}, nil
	case err != nil:
		return qdisc{}, fmt.Errorf("observe qdisc: %w", permission(err))
	case len(msgs) == 0:
		return qdisc{}, nil
	case len(msgs[0]) < nl.SizeofTcMsg:
		return qdisc{}, errShort
	}
	q := qdisc{handle: nl.DeserializeTcMsg(msgs[0]).Handle}
	if q.handle == 0 {
		return qdisc{}, nil
	}
	var options []byte
	q.kind, options = kindAndOptions(msgs[0])
	for kind, value := range attrs(options) {
		if q.kind == "htb" && kind == nl.TCA_HTB_INIT && len(value) >= nl.SizeofTcHtbGlob {
			q.defcls = nl.DeserializeTcHtbGlob(value).Defcls
		}
	}
	return q, nil
}

// kindAndOptions reads those attributes of any traffic control message.
func kindAndOptions(m []byte) (kind string, options []byte) {
	for id, value := range attrs(m[nl.SizeofTcMsg:]) {
		switch id {
		case nl.TCA_KIND:
			kind = unix.ByteSliceToString(value)
		case nl.TCA_OPTIONS:
			options = value
		}
	}
	return kind, options
}

// addQdisc adds one where there is none.
func (c *Conn) addQdisc(ctx context.Context, index int, handle, parent uint32, kind string, options *nl.RtAttr) error {
	req := c.tcRequest(unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_EXCL, index, handle, parent, 0)
	req.AddData(kindAttr(kind))
	if options != nil {
		req.AddData(options)
	}
	err := change(ctx, req)
	if errors.Is(err, unix.ENOENT) {
		return missing("the "+kind+" queueing discipline", "sch_"+kind, err)
	}
	if err != nil {
		return fmt.Errorf("add qdisc %s: %w", kind, err)
	}
	return nil
}

func (c *Conn) deleteQdisc(ctx context.Context, index int, handle, parent uint32) error {
	return change(ctx, c.tcRequest(unix.RTM_DELQDISC, 0, index, handle, parent, 0))
}

// missing says what the kernel was built without; the error wraps
// ErrNotInKernel.
func missing(what, module string, err error) error {
	return fmt.Errorf("%w %s (module %s): %w", ErrNotInKernel, what, module, err)
}

// classes lists the HTB classes of a link's root qdisc.
func (c *Conn) classes(ctx context.Context, index int) ([]class, error) {
	newRequest := func() *nl.NetlinkRequest {
		return c.tcRequest(unix.RTM_GETTCLASS, unix.NLM_F_DUMP, index, 0, 0, 0)
	}
	var found []class
	err := dump(ctx, newRequest, unix.RTM_NEWTCLASS, func(m []byte) error {
		if len(m) < nl.SizeofTcMsg {
			return errShort
		}
		if k, ok := parseClass(m); ok {
			found = append(found, k)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("observe traffic classes: %w", err)
	}
	return found, nil
}

// parseClass reads an HTB class of qdisc 1:.
func parseClass(m []byte) (k class, ok bool) {
	head := nl.DeserializeTcMsg(m)
	kind, options := kindAndOptions(m)
	if kind != "htb" || head.Handle&^0xffff != rootMajor {
		return k, false
	}
	k.minor = uint16(head.Handle)
	if head.Parent != rootParent {
		k.parent = uint16(head.Parent)
	}
	for id, value := range attrs(options) {
		switch {
		case id == nl.TCA_HTB_PARMS && len(value) >= nl.SizeofTcHtbCopt:
			p := nl.DeserializeTcHtbCopt(value)
			k.rate, k.ceil = max(k.rate, uint64(p.Rate.Rate)), max(k.ceil, uint64(p.Ceil.Rate))
			k.buffer, k.cbuffer, k.quantum = p.Buffer, p.Cbuffer, p.Quantum
		case id == nl.TCA_HTB_RATE64 && len(value) >= 8:
			k.rate = binary.NativeEndian.Uint64(value)
		case id == nl.TCA_HTB_CEIL64 && len(value) >= 8:
			k.ceil = binary.NativeEndian.Uint64(value)
		}
	}
	return k, true
}

// setClass adds a class or changes it.
func (c *Conn) setClass(ctx context.Context, index int, k class) error {
	req := c.tcRequest(unix.RTM_NEWTCLASS, unix.NLM_F_CREATE, index, rootMajor|uint32(k.minor), rootMajor|uint32(k.parent), 0)
	req.AddData(kindAttr("htb"))
	parms := nl.TcHtbCopt{
		Rate: rateSpec(k.rate), Ceil: rateSpec(k.ceil),
		Buffer: k.buffer, Cbuffer: k.cbuffer, Quantum: k.quantum,
	}
	req.AddData(optionsAttr(
		nl.NewRtAttr(nl.TCA_HTB_PARMS, parms.Serialize()),
		nl.NewRtAttr(nl.TCA_HTB_RATE64, nl.Uint64Attr(k.rate)),
		nl.NewRtAttr(nl.TCA_HTB_CEIL64, nl.Uint64Attr(k.ceil)),
	))
	if err := change(ctx, req); err != nil {
		return fmt.Errorf("set traffic class 1:%x: %w", k.minor, err)
	}
	return nil
}

// rateSpec is struct tc_ratespec; rates from 4 GiB/s on are in attributes of
// their own.
func rateSpec(rate uint64) nl.TcRateSpec {
	return nl.TcRateSpec{
		CellLog: cellLog, Linklayer: uint8(nl.LINKLAYER_ETHERNET), CellAlign: -1,
		Rate: uint32(min(rate, math.MaxUint32)),
	}
}
