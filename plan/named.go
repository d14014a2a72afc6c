package plan

import (
	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// makeTuning plans what a network without a bridge of its own sets on the one
// that it names; nil if it names none.
func makeTuning(n *xmlnet.Network) *bridge.Tuning {
	if n.Bridge.Name == "" {
		return nil
	}
	return &bridge.Tuning{
		Name:          n.Bridge.Name,
		Bandwidth:     makeBandwidth(n.Bandwidth),
		VLANFiltering: n.Bridge.MACTableManager == xmlnet.MACTableLibvirt,
	}
}

// Units of XML's rates and bursts, in bytes. libvirt hands the numbers to tc,
// which reads "kbps" as 1000 bytes per second, but "kb" of a burst as 1024
// bytes.
const (
	RateUnit  = 1000
	BurstUnit = 1024
)

func makeBandwidth(b *xmlnet.Bandwidth) *bridge.Bandwidth {
	if b == nil {
		return nil
	}
	return &bridge.Bandwidth{Inbound: makeRate(b.Inbound), Outbound: makeRate(b.Outbound)}
}

func makeRate(r *xmlnet.Rate) *bridge.Rate {
	if r == nil {
		return nil
	}
	return &bridge.Rate{Average: r.Average * RateUnit, Peak: r.Peak * RateUnit, Burst: r.Burst * BurstUnit}
}
