package xmlnet

import (
	"slices"

	"libvirt.org/go/libvirtxml"
)

// updateInterface changes the devices of the forward element. Which modes may
// have how many is for the parser to say, when it reads the result. A pool that
// a physical function stands for becomes the list that it is at the moment. An
// interface that would not be in what is printed is refused; libvirt takes it
// and forgets it.
func (u *updater) updateInterface(s *scanner) error {
	var d libvirtxml.NetworkForwardInterface
	if err := s.decode(&d); err != nil {
		return err
	}
	if d.Dev == "" {
		return errf(XMLError, "Missing required dev attribute in <forward> <interface> element of network %s", u.n.Name)
	}
	if err := u.commanded(); err != nil {
		return err
	}
	f := &u.n.Forward
	at := slices.Index(f.Interfaces, d.Dev)
	switch {
	case f.Mode == Isolated && u.adds():
		return refused("network '%s' has no forward element to add an interface to", u.n.Name)
	case len(f.Addresses) > 0 && u.adds():
		return refused("the devices of network '%s' are listed by PCI address", u.n.Name)
	case f.PF != "" && len(f.Interfaces) == 0 && u.adds():
		return refused("the devices of network '%s' are those of '%s'", u.n.Name, f.PF)
	case u.Command == Modify:
		return unsupported("forward interface entries cannot be modified, only added or deleted")
	case u.adds() && at >= 0:
		return refused("there is an existing interface entry in network '%s' that matches \"<interface dev='%s'>\"", u.n.Name, d.Dev)
	case u.Command == Delete && at < 0:
		return refused("couldn't find an interface entry in network '%s' matching <interface dev='%s'>", u.n.Name, d.Dev)
	case u.Command == Delete && u.InUse != nil && u.InUse(d.Dev) > 0:
		return refused("unable to delete interface '%s' in network '%s'. It is currently being used by %d domains.", d.Dev, u.n.Name, u.InUse(d.Dev))
	}
	f.Interfaces = change(u.Command, f.Interfaces, at, d.Dev)
	f.PF = "" // which stood for those it has: the list is no longer that
	return nil
}

func (u *updater) updatePortGroup(s *scanner) error {
	var d portGroupDoc
	if err := s.decode(&d); err != nil {
		return err
	}
	group, err := u.portGroup(d)
	if err != nil {
		return err
	}
	if err := u.commanded(); err != nil {
		return err
	}
	groups := u.n.PortGroups
	at := slices.IndexFunc(groups, func(g PortGroup) bool { return g.Name == group.Name })
	other := slices.IndexFunc(groups, func(g PortGroup) bool { return g.Default && g.Name != group.Name })
	switch {
	case u.adds() && at >= 0:
		return refused("there is an existing portgroup entry in network '%s' that matches \"<portgroup name='%s'>\"", u.n.Name, group.Name)
	case !u.adds() && at < 0:
		return refused("couldn't find a portgroup entry in network '%s' matching <portgroup name='%s'>", u.n.Name, group.Name)
	case u.Command != Delete && group.Default && other >= 0:
		return refused("a different portgroup entry in network '%s' is already set as the default. Only one default is allowed.", u.n.Name)
	}
	u.n.PortGroups = change(u.Command, groups, at, group)
	return nil
}
