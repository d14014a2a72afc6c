package bridge

import (
	"fmt"
	"strings"
)

// maxName is IFNAMSIZ without the terminating zero.
const maxName = 15

// CheckName reports whether a link can have this name, by the kernel's rules
// (dev_valid_name in net/core/dev.c) and those of its sysctl tree, where all
// and default are not links. A % would make the kernel choose another name.
// The error wraps ErrName.
func CheckName(name string) error {
	bad := func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune("/:%", r)
	}
	switch {
	case name == "", len(name) > maxName,
		name == ".", name == "..", name == "all", name == "default",
		strings.ContainsFunc(name, bad):
		return fmt.Errorf("%q: %w", name, ErrName)
	}
	return nil
}
