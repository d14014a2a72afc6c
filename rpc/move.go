package rpc

import (
	"context"

	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// adopt is of our own program.
func (c *client) adopt(ctx context.Context, args wire.MoveArgs) (string, error) {
	return move(ctx, c.srv.opts.Adopt, args, "ADOPT")
}

// release is of our own program.
func (c *client) release(ctx context.Context, args wire.MoveArgs) (string, error) {
	return move(ctx, c.srv.opts.Release, args, "RELEASE")
}

func move(ctx context.Context, how func(context.Context, string, bool) (string, error), args wire.MoveArgs, name string) (string, error) {
	if err := checkFlags(args.Flags, wire.MoveDryRun, wire.FromNetwork, name); err != nil {
		return "", err
	}
	if how == nil {
		return "", &network.Error{Kind: network.ErrUnsupported, Text: "no libvirt is followed"}
	}
	done, err := how(ctx, args.Name, args.Flags&wire.MoveDryRun != 0)
	if err != nil {
		return "", &network.Error{Kind: network.ErrOperationFailed, Text: err.Error()}
	}
	return done, nil
}
