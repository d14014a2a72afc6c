package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/digitalocean/go-libvirt"
)

// maxXML bounds the file that a network is read from, as virsh does.
const maxXML = 10 << 20

// netDefine runs net-define.
func netDefine(ctx context.Context, sh *shell, in invocation) error {
	return fromFile(sh, in, "define", func(doc string) (libvirt.Network, error) {
		if in.has("live") {
			return sh.conn.defineLive(ctx, doc, in.has("validate"))
		}
		return sh.conn.define(ctx, doc, in.has("validate"))
	})
}

// netCreate runs net-create.
func netCreate(ctx context.Context, sh *shell, in invocation) error {
	return fromFile(sh, in, "create", func(doc string) (libvirt.Network, error) {
		return sh.conn.create(ctx, doc, in.has("validate"))
	})
}

// fromFile does with the document in the option "file" what verb says.
func fromFile(sh *shell, in invocation, verb string, do func(doc string) (libvirt.Network, error)) error {
	path, err := in.text("file")
	if err != nil {
		return err
	}
	doc, err := readXMLFile(path)
	if err != nil {
		return err
	}
	n, err := do(doc)
	if err != nil {
		return fail(err, "Failed to %s network from %s", verb, path)
	}
	sh.extraf("Network %s %sd from %s\n", n.Name, verb, path)
	return nil
}

// readXMLFile reads a document; its errors have libvirt's wording.
func readXMLFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", worded(fmt.Sprintf("Failed to open file '%s': %s", path, systemText(err)))
	}
	defer f.Close()
	doc, err := io.ReadAll(io.LimitReader(f, maxXML+1))
	if err == nil && len(doc) > maxXML {
		err = syscall.EOVERFLOW
	}
	if err != nil {
		return "", worded(fmt.Sprintf("Failed to read file '%s': %s", path, systemText(err)))
	}
	return string(doc), nil
}

// netStart runs net-start.
func netStart(ctx context.Context, sh *shell, in invocation) error {
	return onNetwork(ctx, sh, in, networkChange{
		fn: "virNetworkCreate", call: func(n libvirt.Network) error { return sh.conn.virt.NetworkCreate(n) },
		done: "Network %s started\n", failed: "Failed to start network %s",
	})
}

// netDestroy runs net-destroy.
func netDestroy(ctx context.Context, sh *shell, in invocation) error {
	return onNetwork(ctx, sh, in, networkChange{
		fn: "virNetworkDestroy", call: func(n libvirt.Network) error { return sh.conn.virt.NetworkDestroy(n) },
		done: "Network %s destroyed\n", failed: "Failed to destroy network %s",
	})
}

// netUndefine runs net-undefine.
func netUndefine(ctx context.Context, sh *shell, in invocation) error {
	return onNetwork(ctx, sh, in, networkChange{
		fn: "virNetworkUndefine", call: func(n libvirt.Network) error { return sh.conn.virt.NetworkUndefine(n) },
		done: "Network %s has been undefined\n", failed: "Failed to undefine network %s",
	})
}

// netAutostart runs net-autostart.
func netAutostart(ctx context.Context, sh *shell, in invocation) error {
	c := networkChange{
		fn:   "virNetworkSetAutostart",
		call: func(n libvirt.Network) error { return sh.conn.virt.NetworkSetAutostart(n, 1) },
		done: "Network %s marked as autostarted\n", failed: "failed to mark network %s as autostarted",
	}
	if in.has("disable") {
		c.call = func(n libvirt.Network) error { return sh.conn.virt.NetworkSetAutostart(n, 0) }
		c.done, c.failed = "Network %s unmarked as autostarted\n", "failed to unmark network %s as autostarted"
	}
	return onNetwork(ctx, sh, in, c)
}

// networkChange is one call that changes a network, and what is said about
// it; %s is the network as the user named it.
type networkChange struct {
	fn           string // libvirt's API function
	call         func(libvirt.Network) error
	done, failed string
}

func onNetwork(ctx context.Context, sh *shell, in invocation, c networkChange) error {
	n, given, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	if err := sh.conn.change(ctx, c.fn, func() error { return c.call(n) }); err != nil {
		return fail(err, c.failed, given)
	}
	sh.extraf(c.done, given)
	return nil
}
