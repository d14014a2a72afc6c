package wire

import "context"

// ProgramOwn is the program of what libvirt's cannot say, on the same sockets
// and connections, after the same OPEN, with the same errors. Its number is
// " vnm" in ASCII.
const (
	ProgramOwn        = 0x20766e6d
	ProgramOwnVersion = 1
)

// OwnDefineLive makes a document an active network's definition, on disk and
// in force. Its arguments are XMLFlagsArgs with the flag XMLValidate, its result
// is a Network.
const OwnDefineLive Proc = 1

// OwnAdopt and OwnRelease move a network between libvirt's own driver and
// ours. Their arguments are a MoveArgs, their result is text: what was done, a
// line each.
const (
	OwnAdopt   Proc = 20
	OwnRelease Proc = 21
)

// MoveArgs names a network; with MoveDryRun nothing is done.
type MoveArgs struct {
	Name  string
	Flags uint32
}

// MoveDryRun is a flag of MoveArgs.
const MoveDryRun = 1

// CallOwn is Call for a procedure of ProgramOwn.
func (c *Conn) CallOwn(ctx context.Context, p Proc, args, ret any) error {
	return c.call(ctx, Header{Program: ProgramOwn, Version: ProgramOwnVersion, Proc: p, Type: Call}, args, ret)
}
