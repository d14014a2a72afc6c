package rpc

import (
	"fmt"
	"math"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// portParam is a parameter of a port: a number of its bandwidth.
type portParam struct {
	name  string
	value *uint64
}

// portParamsOf are all parameters there are, in libvirt's order.
func portParamsOf(in, out *xmlnet.Rate) (inbound, outbound []portParam) {
	inbound = []portParam{
		{"inbound.average", &in.Average}, {"inbound.peak", &in.Peak}, {"inbound.floor", &in.Floor}, {"inbound.burst", &in.Burst},
	}
	outbound = []portParam{
		{"outbound.average", &out.Average}, {"outbound.peak", &out.Peak}, {"outbound.burst", &out.Burst},
	}
	return inbound, outbound
}

// portParams are the parameters of the directions that b limits.
func portParams(b *xmlnet.Bandwidth) []wire.TypedParam {
	if b == nil {
		return nil
	}
	var in, out xmlnet.Rate
	inbound, outbound := portParamsOf(&in, &out)
	var set []portParam
	if b.Inbound != nil {
		in = *b.Inbound
		set = append(set, inbound...)
	}
	if b.Outbound != nil {
		out = *b.Outbound
		set = append(set, outbound...)
	}
	var params []wire.TypedParam
	for _, p := range set {
		// Larger numbers can be in port XML only.
		params = append(params, wire.TypedParam{Field: p.name, Value: uint32(min(*p.value, math.MaxUint32))})
	}
	return params
}

// portBandwidth is what params say; names that libvirt does not know are
// ignored, as it does. A direction without a rate is not limited.
func portBandwidth(params []wire.TypedParam) (*xmlnet.Bandwidth, error) {
	var in, out xmlnet.Rate
	inbound, outbound := portParamsOf(&in, &out)
	known := make(map[string]*uint64)
	for _, p := range append(inbound, outbound...) {
		known[p.name] = p.value
	}
	for _, p := range params {
		to := known[p.Field]
		if to == nil {
			continue
		}
		n, ok := p.Value.(uint32)
		if !ok {
			return nil, failure(wire.FromNetwork, wire.CodeInvalidArg, fmt.Sprintf("invalid type '%s' for parameter '%s', expected '%s'",
				wire.ParamName(p.Kind()), p.Field, wire.ParamName(wire.ParamUint)))
		}
		*to = uint64(n)
	}
	var b xmlnet.Bandwidth
	if in.Average != 0 || in.Floor != 0 {
		b.Inbound = &in
	}
	if out.Average != 0 {
		b.Outbound = &out
	}
	if b == (xmlnet.Bandwidth{}) {
		return nil, nil
	}
	return &b, nil
}
