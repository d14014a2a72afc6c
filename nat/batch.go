package nat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// batch is the messages of one transaction. The library's own batch can
// neither carry a masquerade with ports (see encode) nor say which message
// the kernel refused, so it is written here.
type batch struct {
	family byte // of the table
	msgs   []netlink.Message
	// about is what each message is about, for errors: "" or "network X".
	about []string
	err   error // the first one in making a message
}

// nfgen is the header of all nfnetlink messages.
func nfgen(family byte, resource uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{family, unix.NFNETLINK_V0}, resource)
}

// add appends a message about something in a table of the family.
func (b *batch) add(about string, kind uint16, flags netlink.HeaderFlags, attrs func(*netlink.AttributeEncoder)) {
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	attrs(ae)
	data, err := ae.Encode()
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("encode a part of %s: %w", about, err)
	}
	b.about = append(b.about, about)
	b.msgs = append(b.msgs, netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
			Flags: netlink.Request | flags,
		},
		Data: append(nfgen(b.family, 0), data...),
	})
}

// send makes the kernel carry out the whole batch or nothing of it. If
// generation is not 0 it must be the current one, else send fails with
// ERESTART.
func (b *batch) send(conn *netlink.Conn, generation uint32) error {
	if b.err != nil || len(b.msgs) == 0 {
		return b.err
	}
	frame, err := frames(generation)
	if err != nil {
		return err
	}
	b.msgs[len(b.msgs)-1].Header.Flags |= netlink.Acknowledge
	all := make([]netlink.Message, 0, len(b.msgs)+2)
	all = append(append(append(all, frame[0]), b.msgs...), frame[1])
	// Nothing should take that long; a daemon must not hang on it all the same.
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	sent, err := conn.SendMessages(all)
	if err != nil {
		return err
	}
	return b.answer(conn, sent)
}

// frames is the begin and end of a batch.
func frames(generation uint32) ([2]netlink.Message, error) {
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	if generation != 0 {
		ae.Uint32(unix.NFNL_BATCH_GENID, generation)
	}
	attrs, err := ae.Encode()
	frame := func(kind netlink.HeaderType) netlink.Message {
		return netlink.Message{
			Header: netlink.Header{Type: kind, Flags: netlink.Request},
			Data:   append(nfgen(unix.NFPROTO_UNSPEC, unix.NFNL_SUBSYS_NFTABLES), attrs...),
		}
	}
	return [2]netlink.Message{frame(unix.NFNL_MSG_BATCH_BEGIN), frame(unix.NFNL_MSG_BATCH_END)}, err
}

// answer reads what the kernel says: an error for each message that it
// refused, and for the last one, which asked for it, also success. An error
// for the begin means that nothing was looked at (permission, generation) or
// that the commit failed. All answers are there when sending returns.
func (b *batch) answer(conn *netlink.Conn, sent []netlink.Message) error {
	begin, last := sent[0].Header.Sequence, sent[len(sent)-2].Header.Sequence
	var refused error
	for {
		msgs, err := conn.Receive()
		var op *netlink.OpError
		if err != nil && (!errors.As(err, &op) || op.Sequence == 0) {
			return errors.Join(refused, err)
		}
		if err != nil {
			i := int(int32(op.Sequence - begin))
			if i < 0 || i > len(b.msgs) {
				continue // left over from an earlier batch
			}
			if i == 0 {
				return err
			}
			if refused == nil {
				refused = b.name(i-1, err)
			}
			if op.Sequence == last {
				return refused
			}
			continue
		}
		for _, m := range msgs {
			if m.Header.Sequence == last {
				return refused
			}
		}
	}
}

// name says whose message the kernel refused.
func (b *batch) name(i int, err error) error {
	if b.about[i] == "" {
		return err
	}
	return fmt.Errorf("rules of %s: %w", b.about[i], err)
}
