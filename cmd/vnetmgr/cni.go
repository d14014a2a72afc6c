package main

import (
	"context"
	"net"
	"os"

	"github.com/vnetmgr/vnetmgr/cli"
	"github.com/vnetmgr/vnetmgr/cni"
)

// runCNI is "vnetmgr cni": one call of a container runtime.
func runCNI(ctx context.Context, env cli.Env) int {
	return cni.Main(ctx, cni.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Dial: func(ctx context.Context, path string, start bool) (net.Conn, error) {
			return cli.Dial(ctx, env, path, start)
		},
	})
}
