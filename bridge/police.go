package bridge

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// police drops what comes from the guests beyond a limit: a policer on what
// enters the bridge's link.
func (c *Conn) police(ctx context.Context, index int, want *Rate) error {
	ingress, err := c.qdisc(ctx, index, ingressParent)
	if err != nil || want == nil && ingress.kind == "" {
		return err
	}
	made := ingress.kind == ""
	if made {
		if err := c.addQdisc(ctx, index, ingressMajor, ingressParent, "ingress", nil); err != nil {
			return err
		}
	}
	parent := ingress.filterParent()
	have, others, err := c.policers(ctx, index, parent)
	if err != nil {
		return err
	}
	if want == nil {
		return c.removePolicers(ctx, index, ingress, have, others)
	}
	if len(have) > 0 && *have[0].police == want.policer() {
		return nil
	}
	err = c.setPolicer(ctx, index, parent, have, want.policer())
	if err != nil && made {
		_ = c.deleteQdisc(ctx, index, ingressMajor, ingressParent) // the first error says more
	}
	return err
}

// filterParent is where filters of what enters are.
func (q qdisc) filterParent() uint32 {
	if q.kind == "clsact" { // other programs' way, which has ingress in it
		return clsactIngress
	}
	return ingressMajor
}

// policers lists the policing filters of our priority, and tells whether there
// are other filters.
func (c *Conn) policers(ctx context.Context, index int, parent uint32) (found []filter, others bool, err error) {
	all, others, err := c.filters(ctx, index, parent)
	if err != nil {
		return nil, false, err
	}
	for _, f := range all {
		if f.prio == policerPrio && f.police != nil {
			found = append(found, f)
		} else {
			others = true
		}
	}
	return found, others, nil
}

// removePolicers removes our filters, and the qdisc if nobody else uses it.
func (c *Conn) removePolicers(ctx context.Context, index int, ingress qdisc, have []filter, others bool) error {
	if len(have) == 0 {
		return nil
	}
	if !others && ingress.kind == "ingress" {
		return c.deleteQdisc(ctx, index, ingressMajor, ingressParent)
	}
	for _, f := range have {
		if err := c.deleteFilter(ctx, index, ingress.filterParent(), f); err != nil {
			return err
		}
	}
	return nil
}

// setPolicer adds the filter, or changes the one that is there: no frame
// passes unlimited meanwhile.
func (c *Conn) setPolicer(ctx context.Context, index int, parent uint32, have []filter, want policer) error {
	flags, handle := unix.NLM_F_CREATE|unix.NLM_F_EXCL, uint32(0)
	if len(have) > 0 {
		flags, handle = 0, have[0].handle
	}
	req := c.tcRequest(unix.RTM_NEWTFILTER, flags, index, handle, parent, info(policerPrio))
	req.AddData(kindAttr("u32"))
	// A key with an empty mask matches everything.
	req.AddData(optionsAttr(selector(nl.TcU32Key{}), want.action()))
	return filterError(change(ctx, req))
}

// action is TCA_U32_ACT with the policer as its only action.
func (p policer) action() *nl.RtAttr {
	tbf := nl.TcPolice{Action: actShot, Burst: p.burst, Mtu: p.mtu, Rate: rateSpec(p.rate)}
	actions := nl.NewRtAttr(nl.TCA_U32_ACT, nil)
	first := actions.AddRtAttr(nl.TCA_ACT_TAB, nil)
	first.AddRtAttr(nl.TCA_ACT_KIND, nl.ZeroTerminated("police"))
	options := first.AddRtAttr(nl.TCA_ACT_OPTIONS, nil)
	options.AddRtAttr(nl.TCA_POLICE_TBF, tbf.Serialize())
	options.AddRtAttr(nl.TCA_POLICE_RATE, rateTable(p.rate))
	if p.rate > math.MaxUint32 {
		options.AddRtAttr(policeRate64, nl.Uint64Attr(p.rate))
	}
	return actions
}

// rateTable is how long frames of each size take, in steps of 1<<cellLog
// bytes. The kernel insists on it.
func rateTable(rate uint64) []byte {
	table := make([]byte, 0, 256*4)
	for i := range uint64(256) {
		table = binary.NativeEndian.AppendUint32(table, ticks((i+1)<<cellLog, rate))
	}
	return table
}
