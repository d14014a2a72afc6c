package xmlnet

import "slices"

// Command is what an update does to its section, numbered as libvirt's
// virNetworkUpdateCommand.
type Command uint32

// The commands.
const (
	Modify Command = iota + 1
	Delete
	AddLast
	AddFirst
)

// Section is the part of a network that an update changes, numbered as
// libvirt's virNetworkUpdateSection.
type Section uint32

// The sections.
const (
	SectionBridge Section = iota + 1
	SectionDomain
	SectionIP
	SectionDHCPHost
	SectionDHCPRange
	SectionForward
	SectionForwardInterface
	SectionForwardPF
	SectionPortGroup
	SectionDNSHost
	SectionDNSTXT
	SectionDNSSRV
)

// Update is one change to a network by net-update.
type Update struct {
	Command Command
	Section Section
	// ParentIndex selects, for the sections of DHCP, the <ip> by its place
	// among all of both families, from 0. A negative one means the <ip> that
	// has DHCP, else the first of IPv4, else the first of IPv6.
	ParentIndex int
	// XML is one element, of the section's kind. To delete, it need only have
	// what tells the deleted one from the others.
	XML []byte
	// InUse returns how many guests use a device of the forward pool; nil
	// means none, ever.
	InUse func(dev string) int
}

// Update returns n with a change applied, as libvirt's virNetworkUpdate does
// it: the result is printed and parsed again, so that it obeys the rules of
// Parse (those of Validate are not looked at). n stays as it is. What the
// change's element has that libvirt does not know is ignored and returned as
// warnings. An error is an *Error: OperationUnsupported for a section, or a
// command in a section, that cannot be updated; OperationInvalid when there is
// nothing to delete or modify, or already what is to be added; else it is about
// the element.
func (n *Network) Update(u Update) (*Network, []Warning, error) {
	up := updater{Update: u, reader: reader{n: n.Clone(), partial: u.Command == Delete}}
	if err := up.apply(); err != nil {
		return nil, nil, flatten(err)
	}
	changed, _, err := Parse(up.n.Format(FormatOptions{}))
	if err != nil {
		return nil, nil, err
	}
	// Of an active network the devices are printed that stand for it, besides
	// which the parser does not see it.
	changed.Forward.PF = up.n.Forward.PF
	return changed, up.warnings, nil
}

// updater applies an update to n, a network of its own.
type updater struct {
	Update
	reader
	warnings []Warning
}

// updatable is what can be updated: the element of each section, and how.
var updatable = map[Section]struct {
	name  string
	is    *element
	apply func(*updater, *scanner) error
}{
	SectionDHCPHost:         {"host", ipSchema.children["dhcp"].children["host"], (*updater).updateDHCPHost},
	SectionDHCPRange:        {"range", ipSchema.children["dhcp"].children["range"], (*updater).updateDHCPRange},
	SectionForwardInterface: {"interface", forwardSchema.children["interface"], (*updater).updateInterface},
	SectionPortGroup:        {"portgroup", schema.children["portgroup"], (*updater).updatePortGroup},
	SectionDNSHost:          {"host", dnsSchema.children["host"], (*updater).updateDNSHost},
	SectionDNSTXT:           {"txt", dnsSchema.children["txt"], (*updater).updateTXT},
	SectionDNSSRV:           {"srv", dnsSchema.children["srv"], (*updater).updateSRV},
}

// fixed names the sections that libvirt has numbers for and no updates.
var fixed = map[Section]string{
	SectionBridge: "bridge", SectionDomain: "domain", SectionIP: "ip",
	SectionForward: "forward", SectionForwardPF: "forward pf",
}

func (u *updater) apply() error {
	section, ok := updatable[u.Section]
	if !ok {
		if err := wellFormed(u.XML); err != nil {
			return err
		}
		if name, ok := fixed[u.Section]; ok {
			return unsupported("can't update '%s' section of network '%s'", name, u.n.Name)
		}
		return unsupported("can't update unrecognized section of network")
	}
	s, err := scanRoot(u.XML, rootElement{section.name, section.is, func(got string) error {
		return errf(XMLError, "unexpected element <%s>, expecting <%s>, while updating network '%s'", got, section.name, u.n.Name)
	}})
	if err != nil {
		return err
	}
	u.warnings = s.warnings
	return section.apply(u, s)
}

// wellFormed reads a document with any root, of which nothing is known.
func wellFormed(doc []byte) error {
	_, err := scanRoot(doc, rootElement{is: &element{}})
	return err
}

// commanded refuses commands that there are not.
func (u *updater) commanded() error {
	if u.Command < Modify || u.Command > AddFirst {
		return unsupported("unrecognized network update command code %d", u.Command)
	}
	return nil
}

// adds tells whether the update adds something.
func (u *updater) adds() bool { return u.Command == AddFirst || u.Command == AddLast }

// change applies a command to a list: to delete and modify, at is the place of
// the thing.
func change[T any](c Command, list []T, at int, item T) []T {
	switch c {
	case Modify:
		list[at] = item
	case Delete:
		return slices.Delete(list, at, at+1)
	case AddFirst:
		return slices.Insert(list, 0, item)
	case AddLast:
		return append(list, item)
	}
	return list
}

func unsupported(format string, args ...any) error {
	return errf(OperationUnsupported, format, args...)
}

func refused(format string, args ...any) error { return errf(OperationInvalid, format, args...) }
