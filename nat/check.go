package nat

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// PortRangeError is a masquerade port range that is empty or backwards.
// libvirt lets such a network be defined and refuses to start it with an
// internal error (code 1) of this text; start equal to end counts as empty.
type PortRangeError struct{ Start, End uint16 }

func (e *PortRangeError) Error() string {
	return fmt.Sprintf("Invalid port range '%d-%d'.", e.Start, e.End)
}

// check says what of a set of networks cannot be put into rules, naming the
// network. Callers parse and collide definitions long before; what is asked
// here is what would make the kernel refuse, or the rules mean something else.
func check(networks []Network) error {
	ids, bridges := map[string]string{}, map[string]string{}
	for _, n := range networks {
		if other, taken := ids[n.ID]; taken {
			return fmt.Errorf("rules of network %s: id %s is that of network %s", n.Name, n.ID, other)
		}
		if other, taken := bridges[n.Bridge]; taken {
			return fmt.Errorf("rules of network %s: bridge %s is that of network %s", n.Name, n.Bridge, other)
		}
		ids[n.ID], bridges[n.Bridge] = n.Name, n.Name
		if err := n.check(); err != nil {
			return fmt.Errorf("rules of network %s: %w", n.Name, err)
		}
	}
	return nil
}

func (n Network) check() error {
	if !validID(n.ID) {
		return fmt.Errorf("id %q cannot name a chain", n.ID)
	}
	if n.Mode > OpenMode || n.Mode == OpenMode && !n.Keep {
		return fmt.Errorf("mode %d has no rules", n.Mode)
	}
	if err := checkLink("bridge", n.Bridge); err != nil {
		return err
	}
	if n.Dev != "" {
		if err := checkLink("forward dev", n.Dev); err != nil {
			return err
		}
	}
	for _, s := range n.Subnets {
		if err := s.check(); err != nil {
			return err
		}
	}
	return n.checkTranslation()
}

func (s Subnet) check() error {
	switch p := s.Prefix; {
	case !p.IsValid():
		return errors.New("a subnet is no prefix")
	case p.Bits() == 0:
		return fmt.Errorf("subnet %s is every address", p)
	case p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != "":
		return fmt.Errorf("subnet %s has bits beyond its mask", p)
	}
	return nil
}

func (n Network) checkTranslation() error {
	if (n.PortStart != 0 || n.PortEnd != 0) && n.PortStart >= n.PortEnd {
		return &PortRangeError{n.PortStart, n.PortEnd}
	}
	if !n.AddrStart.IsValid() && !n.AddrEnd.IsValid() {
		return nil
	}
	if !n.AddrStart.Is4() || !n.AddrEnd.Is4() || n.AddrEnd.Less(n.AddrStart) {
		return fmt.Errorf("nat addresses %s to %s are no IPv4 range", n.AddrStart, n.AddrEnd)
	}
	return nil
}

// checkLink refuses names that no link can have, and those that nft would list
// as something else (quotes, and the wildcard *).
func checkLink(what, name string) error {
	switch {
	case name == "" || len(name) >= unix.IFNAMSIZ:
		return fmt.Errorf("%s %q is not 1 to 15 bytes long", what, name)
	case name == "." || name == "..":
		return fmt.Errorf("%s %q is no link name", what, name)
	case strings.ContainsAny(name, `/:"\*`) || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("%s %q has a character that a link name in a rule cannot have", what, name)
	}
	return nil
}

// validID says whether id can end a chain's name.
func validID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_')
	})
}
