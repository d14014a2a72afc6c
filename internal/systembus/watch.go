package systembus

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"
)

// Signal is a signal of an object; without a Member it is none.
type Signal struct {
	Object
	Interface string
	Member    string
}

// retry is how soon a bus that is not there is looked for again.
const retry = 10 * time.Second

// Watch calls changed when the signal comes, when the service begins or ends,
// and when any of that may have been missed because the bus was not there. It
// returns when ctx ends.
func (b *Bus) Watch(ctx context.Context, s Signal, changed func()) {
	for first := true; ctx.Err() == nil; {
		if conn, err := b.dial(ctx); err == nil {
			if !first {
				changed()
			}
			listen(ctx, conn, s, changed)
			_ = conn.Close() // it was read from only
		}
		first = false
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

// listen calls changed for signals until ctx or the connection ends.
func listen(ctx context.Context, conn *dbus.Conn, s Signal, changed func()) {
	signals := make(chan *dbus.Signal, 16)
	conn.Signal(signals)
	matches := [][]dbus.MatchOption{
		{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, s.Name)},
	}
	if s.Member != "" {
		matches = append(matches, []dbus.MatchOption{
			dbus.WithMatchSender(s.Name), dbus.WithMatchInterface(s.Interface), dbus.WithMatchMember(s.Member),
		})
	}
	for _, match := range matches {
		if err := conn.AddMatchSignalContext(ctx, match...); err != nil {
			return
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case got, ok := <-signals:
			if !ok {
				return
			}
			if got.Name == s.Interface+"."+s.Member || got.Name == "org.freedesktop.DBus.NameOwnerChanged" {
				changed()
			}
		}
	}
}
