package cli

import (
	"context"
	"errors"
	"net"
)

// Dial connects to the local daemon at path, "" for its usual socket. With
// start root starts it if it does not run.
func Dial(ctx context.Context, env Env, path string, start bool) (net.Conn, error) {
	sh := newShell(env, globals{socket: path})
	if !start {
		return dialUnix(ctx, sh.localSocket())
	}
	return sh.dialOwn(ctx, sh.localSocket())
}

func cniCommandRow() *command {
	return &command{
		name: cniCommand, summary: "be a plugin of container runtimes", offline: true, raw: true,
		about: "Do what a container runtime asks for by the Container Network Interface: the\n" +
			"command is in the environment, the configuration on standard input. Without any\n" +
			"arguments and with CNI_COMMAND in the environment, this is what vnetmgr does, so\n" +
			"that a link to it in /opt/cni/bin is the plugin \"type\": \"vnetmgr\".",
		run: runNothing, // Main runs it
	}
}

// runCNI runs the plugin in this process.
func (sh *shell) runCNI(ctx context.Context) int {
	if sh.env.CNI == nil {
		sh.report(errors.New("this program was built without the plugin"))
		return exitFailure
	}
	return sh.env.CNI(ctx)
}
