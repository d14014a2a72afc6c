package plan

import (
	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/port"
)

// Floor plans the traffic class that holds what a port, which has a floor, is
// guaranteed.
func Floor(p *port.Port) bridge.Floor {
	return bridge.Floor{
		Class:  uint16(p.ClassID()),
		MAC:    p.MAC,
		Rate:   p.Bandwidth.Inbound.Floor * rateUnit,
		Weight: p.Bandwidth.Inbound.Average * rateUnit,
	}
}
