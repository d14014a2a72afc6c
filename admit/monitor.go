package admit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Monitor signals that iptables' filter chains have changed, by us or others:
// what Apply did may be gone. Several changes may give one signal. It opens a
// socket in the calling thread's network namespace. The channel is closed when
// ctx ends or the kernel fails to report.
func (c *Conn) Monitor(ctx context.Context) (<-chan struct{}, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)})
	if err != nil {
		return nil, fmt.Errorf("monitor nftables: %w", err)
	}
	changed := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetReadDeadline(time.Now()) // wakes the reader
	})
	go func() {
		defer close(changed)
		defer conn.Close()
		defer stop()
		watch(ctx, conn, changed)
	}()
	return changed, nil
}

// maxFailures in a row end the watch. Reports that come faster than they are
// read are one: then anything may have changed.
const maxFailures = 10

func watch(ctx context.Context, conn *netlink.Conn, changed chan<- struct{}) {
	for failures := 0; failures <= maxFailures; {
		reports, err := conn.Receive()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures++
		default:
			failures = 0
			if !concern(reports) {
				continue
			}
		}
		select {
		case changed <- struct{}{}:
		default: // the last signal has not been taken yet
		}
	}
}

// concern tells whether a report is about a chain or a rule of iptables' filter
// tables.
func concern(reports []netlink.Message) bool {
	for _, m := range reports {
		switch m.Header.Type & 0xff {
		case unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_NEWRULE, unix.NFT_MSG_DELRULE:
		default:
			continue
		}
		if len(m.Data) < 4 || m.Data[0] != byte(nftables.TableFamilyIPv4) && m.Data[0] != byte(nftables.TableFamilyIPv6) {
			continue
		}
		ad, err := netlink.NewAttributeDecoder(m.Data[4:])
		if err != nil {
			continue
		}
		// The table's name is the first attribute of chains and rules alike.
		for ad.Next() {
			if ad.Type() == unix.NFTA_RULE_TABLE && ad.String() == table {
				return true
			}
		}
	}
	return false
}
