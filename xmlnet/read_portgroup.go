package xmlnet

import (
	"slices"
	"strings"
)

// portGroups reads the <portgroup> elements. Their names are compared by
// Validate.
func (r *reader) portGroups() error {
	for i, d := range r.doc.PortGroups {
		g, err := r.portGroup(d)
		if err != nil {
			return in(err, "portgroup[%d]", i+1)
		}
		r.n.PortGroups = append(r.n.PortGroups, g)
	}
	return nil
}

func (r *reader) portGroup(d portGroupDoc) (PortGroup, error) {
	g := PortGroup{
		Name:                d.Name,
		Default:             strings.EqualFold(d.Default, "yes"),
		TrustGuestRxFilters: tristate(d.Trust),
	}
	if d.Name == "" {
		return g, errf(XMLError, "Missing required name attribute in portgroup")
	}
	var err error
	if g.VirtualPort, err = readVirtualPort(d.VirtualPort, false); err != nil {
		return g, err
	}
	if g.Bandwidth, err = readBandwidth(d.Bandwidth); err != nil {
		return g, err
	}
	g.VLAN, err = readVLAN(d.VLAN)
	return g, err
}

func (r *reader) wholeVLAN() (err error) {
	r.n.VLAN, err = readVLAN(r.doc.VLAN)
	return err
}

func (r *reader) wholeVirtualPort() (err error) {
	r.n.VirtualPort, err = readVirtualPort(r.doc.VirtualPort, true)
	return err
}

// readVLAN reads a <vlan>.
func readVLAN(d *vlanDoc) (*VLAN, error) {
	if d == nil {
		return nil, nil
	}
	got := &VLAN{}
	native := 0
	for _, t := range d.Tags {
		if t.ID == nil {
			return nil, missingAttr("id", "tag")
		}
		id, err := numberAttr("tag", "id", *t.ID, 10, 1<<32-1)
		if err != nil {
			return nil, err
		}
		if id > 4095 {
			return nil, errf(XMLError, "vlan tag id %d too large (maximum 4095)", id)
		}
		tag := VLANTag{ID: uint16(id)}
		if t.NativeMode != nil {
			if *t.NativeMode != "tagged" && *t.NativeMode != "untagged" {
				return nil, invalidValue("nativeMode", "tag", *t.NativeMode, "")
			}
			tag.NativeMode = *t.NativeMode
			native++
		}
		got.Tags = append(got.Tags, tag)
	}
	if len(got.Tags) == 0 {
		return nil, errf(XMLError, "missing tag id - each <vlan> must have at least one <tag id='n'/> subelement")
	}
	if native > 1 {
		return nil, errf(XMLError, "duplicate native vlan setting")
	}
	return got, got.readTrunk(d.Trunk, native == 1)
}

// readTrunk reads vlan/@trunk. More tags than one imply a trunk.
func (v *VLAN) readTrunk(text string, native bool) error {
	v.Trunk = len(v.Tags) > 1
	switch {
	case text == "":
	case strings.EqualFold(text, "yes"):
		v.Trunk = true
	case !strings.EqualFold(text, "no"):
		return errf(XMLError, `invalid "trunk='%s'" in <vlan> - must be yes or no`, text)
	case len(v.Tags) > 1:
		return errf(XMLError, `invalid "trunk='no'" in <vlan> - trunk='yes' is required for more than one vlan tag`)
	case native:
		return errf(XMLError, `invalid configuration in <vlan> - "trunk='no'" is not allowed with a native vlan id`)
	}
	return nil
}

// vportParams are the parameters that each type of virtual port may have; a
// portgroup's may have no type, and any of them.
var vportParams = map[string][]string{
	"802.1Qbg":    {"managerid", "typeid", "typeidversion", "instanceid"},
	"802.1Qbh":    {"profileid"},
	"openvswitch": {"interfaceid", "profileid"},
	"midonet":     {"interfaceid"},
	"":            {"managerid", "typeid", "typeidversion", "instanceid", "interfaceid", "profileid"},
}

// maxProfileID is the length of a profile's name in the kernel's interface,
// less one.
const maxProfileID = 39

// readVirtualPort reads a <virtualport>.
func readVirtualPort(d *virtualPortDoc, typeRequired bool) (*VirtualPort, error) {
	if d == nil {
		return nil, nil
	}
	got := &VirtualPort{}
	switch {
	case d.Type != nil:
		if vportParams[*d.Type] == nil || *d.Type == "" {
			return nil, errf(ConfigUnsupported, "unknown virtualport type %s", *d.Type)
		}
		got.Type = *d.Type
	case typeRequired:
		return nil, errf(XMLError, "missing required virtualport type")
	}
	if err := got.readNumbers(d); err != nil {
		return nil, err
	}
	if err := got.readIDs(d); err != nil {
		return nil, err
	}
	if *got == (VirtualPort{}) {
		return nil, nil
	}
	return got, got.checkParams()
}

func (v *VirtualPort) readNumbers(d *virtualPortDoc) error {
	p := &d.Parameters
	read := func(text *string, most uint64, name, of string) (uint64, error) {
		n, ok := number(strings.TrimPrefix(*text, "-"), 0, 1<<64-1)
		if !ok {
			return 0, errf(XMLError, "cannot parse value of %s parameter", name)
		}
		if n > most || strings.HasPrefix(*text, "-") {
			return 0, errf(XMLError, "value %s %s out of range", of, name)
		}
		return n, nil
	}
	if p.ManagerID != nil {
		n, err := read(p.ManagerID, 0xff, "managerid", "of")
		if err != nil {
			return err
		}
		v.ManagerID = ptr(uint8(n))
	}
	if p.TypeID != nil {
		n, err := read(p.TypeID, 0xffffff, "typeid", "for")
		if err != nil {
			return err
		}
		v.TypeID = ptr(uint32(n))
	}
	if p.TypeIDVersion != nil {
		n, err := read(p.TypeIDVersion, 0xff, "typeidversion", "of")
		if err != nil {
			return err
		}
		v.TypeIDVersion = ptr(uint8(n))
	}
	return nil
}

func (v *VirtualPort) readIDs(d *virtualPortDoc) error {
	p := &d.Parameters
	if p.InstanceID != nil {
		id, err := ParseUUID(*p.InstanceID)
		if err != nil {
			return errf(XMLError, "cannot parse instanceid parameter as a uuid")
		}
		v.InstanceID = &id
	}
	if p.InterfaceID != nil {
		id, err := ParseUUID(*p.InterfaceID)
		if err != nil {
			return errf(XMLError, "cannot parse interfaceid parameter as a uuid")
		}
		v.InterfaceID = &id
	}
	if len(p.ProfileID) > maxProfileID {
		return errf(XMLError, "profileid parameter too long")
	}
	if p.ProfileID != "" {
		v.ProfileID = &p.ProfileID
	}
	return nil
}

// checkParams checks that v has no parameters foreign to its type.
func (v *VirtualPort) checkParams() error {
	for _, p := range []struct {
		name string
		has  bool
	}{
		{"managerid", v.ManagerID != nil},
		{"typeid", v.TypeID != nil},
		{"typeidversion", v.TypeIDVersion != nil},
		{"instanceid", v.InstanceID != nil},
		{"interfaceid", v.InterfaceID != nil},
		{"profileid", v.ProfileID != nil},
	} {
		if p.has && !slices.Contains(vportParams[v.Type], p.name) {
			return errf(XMLError, "extra %s unsupported in <virtualport type='%s'>", p.name, v.Type)
		}
	}
	return nil
}

func ptr[T any](v T) *T { return &v }
