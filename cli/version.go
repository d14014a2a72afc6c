package cli

import (
	"context"
	"fmt"
	"runtime"
)

// version runs the command version. It shows the daemon's version when one
// runs; it does not start one.
func version(ctx context.Context, sh *shell, _ invocation) error {
	sh.printVersion()
	if err := sh.connectIfRunning(ctx); err != nil {
		if sh.opts.uri != "" {
			return err
		}
		sh.printf("Running against daemon: none\n")
		return nil
	}
	driver, err := sh.conn.driverType(ctx)
	if err != nil {
		return err
	}
	number, err := sh.conn.libVersion(ctx)
	if err != nil {
		return err
	}
	sh.printf("Using API: %s, libvirt %s\n", driver, formatVersion(number))
	sh.printf("Running against daemon: %s\n", sh.conn.uri)
	return nil
}

// printVersion prints what this program is.
func (sh *shell) printVersion() {
	sh.printf("vnetmgr %s\n", sh.env.Version)
	sh.printf("Compiled by: %s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// connectIfRunning connects, but starts no daemon.
func (sh *shell) connectIfRunning(ctx context.Context) error {
	if sh.conn != nil || sh.opts.uri != "" {
		return sh.connect(ctx)
	}
	socket := sh.localSocket()
	conn, err := dialUnix(ctx, socket)
	readOnly := sh.opts.readOnly || isDenied(err)
	if readOnly {
		conn, err = dialUnix(ctx, socket+roSuffix)
	}
	if err != nil {
		return err
	}
	sh.conn, err = sh.openDriver(ctx, conn, localDriver, readOnly)
	return err
}

// driverType is the name of the driver that the daemon serves.
func (s *session) driverType(ctx context.Context) (name string, err error) {
	err = s.do(ctx, "virConnectGetType", func() (err error) {
		name, err = s.virt.ConnectGetType()
		return err
	})
	return name, err
}

// libVersion is the version of libvirt's API that the daemon serves, in
// libvirt's counting: major·10⁶ + minor·10³ + release.
func (s *session) libVersion(ctx context.Context) (number uint64, err error) {
	err = s.do(ctx, "virConnectGetLibVersion", func() (err error) {
		number, err = s.virt.ConnectGetLibVersion()
		return err
	})
	return number, err
}

func formatVersion(n uint64) string {
	return fmt.Sprintf("%d.%d.%d", n/1_000_000, n/1000%1000, n%1000)
}
