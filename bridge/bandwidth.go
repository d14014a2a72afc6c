package bridge

import (
	"math"
	"net"
)

// Bandwidth limits what goes through a bridge between its guests and the
// host; nil directions are not limited. Traffic among the guests is not
// concerned.
type Bandwidth struct {
	Inbound  *Rate // toward the guests: shaped
	Outbound *Rate // from the guests: what is too much is dropped; there is no Peak
}

// Rate is a limit in bytes per second.
type Rate struct {
	Average uint64
	Peak    uint64 // in bursts; 0: Average
	Burst   uint64 // bytes that may go at Peak; 0: a default
}

// Floor guarantees one bridge port a part of what goes inbound.
type Floor struct {
	Class  uint16 // its traffic class on the bridge is 1:Class; 3 or more
	MAC    net.HardwareAddr
	Rate   uint64 // guaranteed bytes per second
	Weight uint64 // the average of the port's own limit, 0 for none: its share of what is left
}

// The traffic classes of a bridge, as libvirt's (src/util/virnetdevbandwidth.c):
// 1:1 is the whole, 1:2 below it what no port is guaranteed, 1:3 and on are the
// ports' floors.
const (
	wholeClass    = 1
	restClass     = 2
	minFloorClass = 3
)

const (
	// minRate is what the rest gets by itself when all is guaranteed to ports.
	minRate = 1000
	// minShaperBurst is one full frame and some; tc's default.
	minShaperBurst = 1600
	// minPolicerBurst passes the largest frame that a guest with segmentation
	// offload hands to its tap: the policer drops frames beyond its burst.
	minPolicerBurst = 128 << 10
	// policerMTU is the largest frame that it passes at all.
	policerMTU = 128 << 10
	// cellLog makes a rate table of 256 entries reach policerMTU.
	cellLog = 9
	// tick is the unit of traffic control's times: 64 ns, whatever the clock.
	tick = 64
)

// class is an HTB class of a bridge. Times are in ticks.
type class struct {
	minor      uint16
	parent     uint16 // minor; 0 is the qdisc
	rate, ceil uint64 // bytes per second
	buffer     uint32 // time to send the burst at rate
	cbuffer    uint32 // at ceil
	quantum    uint32
}

// classes are the wanted classes of a bridge, the ports' floors among them:
// of those the kernel's are kept, as far as they do not depend on the whole.
func (r *Rate) classes(floors []class) []class {
	guaranteed := uint64(0)
	for _, f := range floors {
		guaranteed = min(guaranteed+f.rate, math.MaxUint64/2)
	}
	rest := uint64(minRate)
	if r.Average > guaranteed {
		rest = max(rest, r.Average-guaranteed)
	}
	all := []class{
		r.class(wholeClass, 0, r.Average, quantum(r.Average)),
		r.class(restClass, wholeClass, min(rest, r.Average), quantum(r.Average)),
	}
	for _, f := range floors {
		want := r.class(f.minor, wholeClass, f.rate, f.quantum)
		all = append(all, want)
	}
	return all
}

// class makes a class with a rate of its own; the burst and the ceiling are
// those of the whole.
func (r *Rate) class(minor, parent uint16, rate uint64, quantum uint32) class {
	burst := r.Burst
	if burst == 0 {
		burst = max(minShaperBurst, rate/1000) // 1 ms
	}
	ceil := r.ceil()
	return class{
		minor: minor, parent: parent, rate: rate, ceil: max(ceil, rate), quantum: quantum,
		buffer:  ticks(burst, rate),
		cbuffer: ticks(max(minShaperBurst, ceil/1000), ceil),
	}
}

// ceil is the most that may go in a second.
func (r *Rate) ceil() uint64 { return max(r.Peak, r.Average) }

// floor is the class of a port; its ceiling is that of the whole.
func (r *Rate) floor(f Floor) class {
	return r.class(f.Class, wholeClass, max(f.Rate, 1), quantum(f.Weight))
}

// quantum is how many bytes a class may send in its turn of sharing what is
// left. libvirt's formula, with average in KiB: average * 1024 / 8 / 1500.
func quantum(average uint64) uint32 {
	return uint32(min(max(average/1000*1024/8/1500, 1), math.MaxInt32))
}

// ticks is how long bytes take at rate bytes per second.
func ticks(bytes, rate uint64) uint32 {
	t := float64(bytes) / float64(rate) * 1e9 / tick
	return uint32(min(t, math.MaxUint32))
}

// policer is what drops guests' traffic beyond a limit.
type policer struct {
	rate  uint64 // bytes per second
	burst uint32 // ticks
	mtu   uint32
}

// policer is the wanted one for outbound traffic. libvirt's default burst is
// what goes in a second.
func (r *Rate) policer() policer {
	burst := r.Burst
	if burst == 0 {
		burst = max(r.Average, minPolicerBurst)
	}
	return policer{rate: r.Average, burst: ticks(burst, r.Average), mtu: policerMTU}
}
