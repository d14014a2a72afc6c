package nat

import (
	"context"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Monitor signals that somebody else has changed our table, or may have: then
// [Conn.Drifted] tells, and [Conn.Apply] heals. Changes to other tables and
// our own are not signalled; several changes may give one signal. It opens a
// socket in the calling thread's network namespace. The channel is closed when
// ctx ends or the kernel fails to report.
func (c *Conn) Monitor(ctx context.Context) (<-chan struct{}, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)})
	if err != nil {
		return nil, fmt.Errorf("monitor nftables: %w", openError(err))
	}
	changed := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() {
		// Wakes the reader; it cannot fail on an open socket.
		_ = conn.SetReadDeadline(time.Now())
	})
	go func() {
		defer close(changed)
		defer conn.Close()
		defer stop()
		c.watch(ctx, conn, changed)
	}()
	return changed, nil
}

// watch reads the kernel's reports until ctx ends.
func (c *Conn) watch(ctx context.Context, conn *netlink.Conn, changed chan<- struct{}) {
	failures := 0
	for {
		msgs, err := conn.Receive()
		if ctx.Err() != nil {
			return
		}
		// Reports get lost when they come faster than they are read (ENOBUFS):
		// then anything may have changed. An error that stays ends the watch.
		if err != nil {
			if failures++; failures > 10 {
				return
			}
		} else if failures = 0; !c.foreign(msgs) {
			continue
		}
		select {
		case changed <- struct{}{}:
		default: // the last signal has not been taken yet
		}
	}
}

// foreign says whether one of the reports is of our table and not by us.
func (c *Conn) foreign(msgs []netlink.Message) bool {
	for _, m := range msgs {
		if m.Header.PID != c.write.PID() && tableOf(m, byte(c.family)) == TableName {
			return true
		}
	}
	return false
}

// tableOf is the name of the table of that family that a report is about. In all kinds
// of reports but that of a generation it is the first attribute.
func tableOf(m netlink.Message, family byte) string {
	const newGeneration = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWGEN
	if m.Header.Type == newGeneration || len(m.Data) < 4 || m.Data[0] != family {
		return ""
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[4:])
	if err != nil {
		return ""
	}
	for ad.Next() {
		if ad.Type() == unix.NFTA_TABLE_NAME {
			return ad.String()
		}
	}
	return ""
}
