// Command vnetmgr manages virtual networks on a KVM host: the daemon that
// owns them, and the command line that talks to it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/vnetmgr/vnetmgr/cli"
	"github.com/vnetmgr/vnetmgr/cni"
)

// version is stamped by the linker: -ldflags "-X main.version=1.2.3".
var version = "unreleased"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	env := cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv:  os.Getenv,
		Daemon:  runDaemon,
		Version: version,
	}
	env.CNI = func(ctx context.Context) int { return runCNI(ctx, env) }
	if cni.Called(os.Args[1:], os.Getenv) {
		os.Exit(runCNI(ctx, env))
	}
	os.Exit(cli.Main(ctx, os.Args[1:], env))
}
