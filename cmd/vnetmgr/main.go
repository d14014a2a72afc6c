// Command vnetmgr manages virtual networks on a KVM host: the daemon that
// owns them, and the command line that talks to it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/vnetmgr/vnetmgr/cli"
)

// version is stamped by the linker: -ldflags "-X main.version=1.2.3".
var version = "unreleased"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	os.Exit(cli.Main(ctx, os.Args[1:], cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv:  os.Getenv,
		Daemon:  runDaemon,
		Version: version,
	}))
}
