package xmlnet

import "math"

// Bounds of rates: libvirt multiplies by 1024 and hands bytes to tc.
const (
	maxRate  = 1 << 54
	maxBurst = math.MaxUint32 >> 10
)

func (r *reader) wholeBandwidth() (err error) {
	r.n.Bandwidth, err = readBandwidth(r.doc.Bandwidth)
	if err != nil || r.n.Bandwidth == nil {
		return err
	}
	// libvirt checks the bounds of the network's own limits only.
	for _, rate := range []*Rate{r.n.Bandwidth.Inbound, r.n.Bandwidth.Outbound} {
		if err := rate.checkBounds(); err != nil {
			return err
		}
	}
	return nil
}

// readBandwidth reads the <bandwidth> of a network or portgroup. One that
// limits nothing is nil.
func readBandwidth(d *bandwidthDoc) (*Bandwidth, error) {
	if d == nil {
		return nil, nil
	}
	if d.ClassID != "" {
		return nil, errf(XMLDetail, "classID attribute not supported on <bandwidth> in this usage context")
	}
	inbound, err := readRate(d.Inbound, "inbound")
	if err != nil {
		return nil, err
	}
	outbound, err := readRate(d.Outbound, "outbound")
	if err != nil || inbound == nil && outbound == nil {
		return nil, err
	}
	return &Bandwidth{Inbound: inbound, Outbound: outbound}, nil
}

func readRate(d *rateDoc, elem string) (*Rate, error) {
	if d == nil {
		return nil, nil
	}
	got, err := d.numbers(elem)
	if err != nil {
		return nil, err
	}
	switch {
	case d.Floor != nil && elem == "outbound":
		return nil, errf(ConfigUnsupported, "'floor' attribute allowed only in <inbound> element")
	case d.Floor != nil:
		return nil, errf(ConfigUnsupported, "floor attribute is not supported for this config")
	case d.Average == nil:
		return nil, errf(XMLDetail, "Missing mandatory average or floor attributes")
	case got.Average == 0:
		return nil, nil // limits nothing
	}
	return &got, nil
}

// numbers reads the attributes of the element called elem.
func (d *rateDoc) numbers(elem string) (got Rate, err error) {
	for _, num := range []struct {
		name string
		text *string
		to   *uint64
	}{{"average", d.Average, &got.Average}, {"peak", d.Peak, &got.Peak}, {"burst", d.Burst, &got.Burst}, {"floor", d.Floor, &got.Floor}} {
		if num.text == nil {
			continue
		}
		if *num.to, err = numberAttr(elem, num.name, *num.text, 10, math.MaxUint64); err != nil {
			return got, err
		}
	}
	return got, nil
}

func (r *Rate) checkBounds() error {
	if r == nil {
		return nil
	}
	for _, v := range []struct {
		name       string
		value, max uint64
	}{{"average", r.Average, maxRate}, {"peak", r.Peak, maxRate}, {"burst", r.Burst, maxBurst}} {
		if v.value > v.max {
			return errf(Overflow, "bandwidth %s %d is too big, maximum is %d", v.name, v.value, v.max)
		}
	}
	return nil
}
