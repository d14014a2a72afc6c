package cli

import (
	"context"

	"github.com/digitalocean/go-libvirt"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// adopt runs the command adopt.
func adopt(ctx context.Context, sh *shell, in invocation) error {
	return sh.move(ctx, in, wire.OwnAdopt, "ADOPT", "adopt", "adopted")
}

// release runs the command release.
func release(ctx context.Context, sh *shell, in invocation) error {
	return sh.move(ctx, in, wire.OwnRelease, "RELEASE", "release", "released")
}

// move moves a network between libvirt's own driver and the daemon, and prints
// each step.
func (sh *shell) move(ctx context.Context, in invocation, p wire.Proc, fn, verb, done string) error {
	name, err := in.text("network")
	if err != nil {
		return err
	}
	args := wire.MoveArgs{Name: name}
	if in.has("dry-run") {
		args.Flags = wire.MoveDryRun
	}
	var steps string
	err = sh.conn.change(ctx, fn, func() error { return sh.conn.link.callOwn(p, args, &steps) })
	if hasCode(err, libvirt.ErrRPC) {
		err = worded("only vnetmgr's own daemon can")
	}
	if err != nil {
		return fail(err, "Failed to %s network %s", verb, name)
	}
	sh.printf("%s", steps)
	if !in.has("dry-run") {
		sh.extraf("Network %s %s\n", name, done)
	}
	return nil
}
