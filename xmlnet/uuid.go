package xmlnet

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// UUID identifies a network.
type UUID [16]byte

// NewUUID returns a random (version 4) UUID.
func NewUUID() UUID {
	var u UUID
	rand.Read(u[:]) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// ParseUUID reads 32 hexadecimal digits with dashes and spaces anywhere, as
// libvirt does.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	digits := make([]byte, 0, 32)
	for i := range len(s) {
		if s[i] != '-' && s[i] != ' ' {
			digits = append(digits, s[i])
		}
	}
	if len(digits) != 32 {
		return u, fmt.Errorf("malformed uuid %q", s)
	}
	if _, err := hex.Decode(u[:], digits); err != nil {
		return u, fmt.Errorf("malformed uuid %q", s)
	}
	return u, nil
}

// IsZero tells whether u is unset.
func (u UUID) IsZero() bool { return u == UUID{} }

// String returns the canonical lower-case form.
func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
