package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vnetmgr/vnetmgr/polkit"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// The actions that libvirt's packages install for polkit.
const (
	manageAction  = "org.libvirt.unix.manage"
	monitorAction = "org.libvirt.unix.monitor"
)

// authList admits who needs no more than its credentials. Others are sent to
// AuthPolkit, whose error they show; so is everybody but root where there is a
// polkit.
func (c *client) authList(ctx context.Context, _ wire.Empty) ([]int32, error) {
	if asked, _ := c.polkit(); asked != nil && asked.Available(ctx) {
		return []int32{wire.AuthByPolkit}, nil
	}
	if err := c.authorize(ctx); err != nil {
		return []int32{wire.AuthByPolkit}, nil
	}
	c.admit()
	return []int32{wire.AuthNone}, nil
}

// authPolkit admits, or says why not.
func (c *client) authPolkit(ctx context.Context, _ wire.Empty) (int32, error) {
	if c.isAuthenticated() {
		return 1, nil
	}
	err := c.askPolkit(ctx)
	if errors.Is(err, polkit.ErrAbsent) {
		err = c.authorize(ctx)
	}
	if err != nil {
		if c.srv.refusals.worthALine(c.peer.UID, time.Now()) {
			c.log.Info("client refused", "err", err)
		}
		return 0, authFailure(err)
	}
	c.admit()
	return 1, nil
}

func (c *client) authorize(ctx context.Context) error {
	return c.srv.opts.Authorize(ctx, c.peer, c.socketReadOnly)
}

// polkit returns the polkit that decides about the client, and what about; nil
// if none does. Root is never kept out by a polkit that fails.
func (c *client) polkit() (*polkit.Client, string) {
	switch {
	case c.peer.UID == 0:
		return nil, ""
	case c.socketReadOnly:
		return c.srv.opts.PolkitRO, monitorAction
	}
	return c.srv.opts.PolkitRW, manageAction
}

// errManyAsked says that polkit has enough to ask a user already.
var errManyAsked = errors.New("too many clients of this user wait for authentication")

// askPolkit returns polkit's verdict; polkit.ErrAbsent if it has none.
func (c *client) askPolkit(ctx context.Context) error {
	asked, action := c.polkit()
	if asked == nil {
		return polkit.ErrAbsent
	}
	if c.peer.Started == 0 && asked.Available(ctx) {
		return fmt.Errorf("process %d has ended, or is not to be seen", c.peer.PID)
	}
	if !c.srv.asking.begin(c.peer.UID) {
		return errManyAsked
	}
	defer c.srv.asking.end(c.peer.UID)
	ctx, stop := c.untilHangup(ctx)
	defer stop()
	return asked.Check(ctx, polkit.Subject{PID: c.peer.PID, UID: c.peer.UID, Started: c.peer.Started}, action)
}

// authFailure gives the reasons libvirt's codes.
func authFailure(err error) error {
	for _, row := range []struct {
		kind error
		code wire.Code
	}{
		{polkit.ErrDenied, wire.CodeAuthFailed},
		{polkit.ErrNoAgent, wire.CodeAuthUnavailable},
		{polkit.ErrDismissed, wire.CodeAuthCancelled},
	} {
		if errors.Is(err, row.kind) {
			return failure(wire.FromPolkit, row.code, err.Error())
		}
	}
	return failure(wire.FromRPC, wire.CodeAuthFailed, err.Error())
}

// asking counts the clients of each user that polkit is asked about. While it
// waits for a password a client keeps its anonymous place, of which one user
// must not have all.
type asking struct {
	mu    sync.Mutex // guards count
	count map[uint32]int
}

// maxAsking is how many a user can have.
const maxAsking = 5

func (a *asking) begin(uid uint32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count == nil {
		a.count = make(map[uint32]int)
	}
	if a.count[uid] >= maxAsking {
		return false
	}
	a.count[uid]++
	return true
}

func (a *asking) end(uid uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count[uid]--; a.count[uid] == 0 {
		delete(a.count, uid)
	}
}
