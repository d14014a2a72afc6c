package bridge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Tap is how a tap is made for a virtual machine monitor to open.
type Tap struct {
	// User and Group are who may open it, beside those with CAP_NET_ADMIN: of
	// both, if both are set; everybody, if none is.
	User, Group *uint32
	// MultiQueue lets it be opened once for each queue; then it must be opened
	// so (IFF_MULTI_QUEUE).
	MultiQueue bool
	// VNetHdr has frames carry offload headers until who opens it says
	// otherwise (IFF_VNET_HDR).
	VNetHdr bool
}

// tunDevice is where taps come from.
const tunDevice = "/dev/net/tun"

// tapRequest is struct ifreq of TUNSETIFF (linux/if_tun.h).
type tapRequest struct {
	name  [unix.IFNAMSIZ]byte
	flags uint16
	_     [22]byte
}

// makeTap makes a tap that outlives us. One of that name is an error
// (ErrLinkExists).
func makeTap(name string, t Tap) error {
	f, err := os.OpenFile(tunDevice, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		return missing("taps", "tun", err)
	}
	if err != nil {
		return fmt.Errorf("make tap %s: %w", name, err)
	}
	defer f.Close()
	// IFF_TUN_EXCL, or we would open one that is there.
	req := tapRequest{flags: unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_TUN_EXCL}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	if t.MultiQueue {
		req.flags |= unix.IFF_MULTI_QUEUE
	}
	if t.VNetHdr {
		req.flags |= unix.IFF_VNET_HDR
	}
	if err := ioctl(f, unix.TUNSETIFF, uintptr(unsafe.Pointer(&req))); err != nil {
		if errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("make tap %s: %w", name, ErrLinkExists)
		}
		return fmt.Errorf("make tap %s: %w", name, permission(err))
	}
	// A device that is not persistent ends with f.
	for _, set := range []struct {
		request uintptr
		value   *uint32
	}{{unix.TUNSETOWNER, t.User}, {unix.TUNSETGROUP, t.Group}, {unix.TUNSETPERSIST, new(uint32(1))}} {
		if set.value == nil {
			continue
		}
		if err := ioctl(f, set.request, uintptr(*set.value)); err != nil {
			return fmt.Errorf("make tap %s: %w", name, permission(err))
		}
	}
	return nil
}

func ioctl(f *os.File, request, arg uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, arg); errno != 0 {
		return errno
	}
	return nil
}

// TapInfo is what the kernel says of a tap.
type TapInfo struct {
	Tap
	Bridge string // that it is a port of, "" if none
	Owner  string // PortLink.Owner, if we made it
	Index  int
}

// Attributes of a tap's IFLA_INFO_DATA (linux/if_link.h).
const (
	tunOwner      = 1
	tunGroup      = 2
	tunType       = 3
	tunVNetHdr    = 5
	tunMultiQueue = 7
)

// ErrNoTap says that a link is something else.
var ErrNoTap = errors.New("the link is not a tap")

// Tap asks for a tap by name (ErrLinkNotFound, ErrNoTap).
func (c *Conn) Tap(ctx context.Context, name string) (TapInfo, error) {
	if err := CheckName(name); err != nil {
		return TapInfo{}, err
	}
	l, err := c.link(ctx, name)
	if err != nil {
		return TapInfo{}, err
	}
	info := TapInfo{Index: l.index, Owner: l.portOwner()}
	tap := false
	for kind, value := range attrs(l.data) {
		switch kind {
		case tunOwner:
			info.User = new(uint32At(value))
		case tunGroup:
			info.Group = new(uint32At(value))
		case tunType:
			tap = len(value) > 0 && value[0] == unix.IFF_TAP
		case tunVNetHdr:
			info.VNetHdr = len(value) > 0 && value[0] != 0
		case tunMultiQueue:
			info.MultiQueue = len(value) > 0 && value[0] != 0
		}
	}
	if l.kind != "tun" || !tap || l.name != name {
		return TapInfo{}, fmt.Errorf("%s: %w", name, ErrNoTap)
	}
	if l.master != 0 {
		master, err := c.linkAt(ctx, l.master)
		if err != nil {
			return TapInfo{}, err
		}
		info.Bridge = master.name
	}
	return info, nil
}

// tapMAC is what a tap's own MAC address is, that of its guest with another
// first octet: the highest there is, so that no bridge takes it for its own.
func tapMAC(guest []byte) *nl.RtAttr {
	mac := append([]byte{0xfe}, guest[1:]...)
	return nl.NewRtAttr(unix.IFLA_ADDRESS, mac)
}
