package cli

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// eventType is a type of event that net-event can wait for.
type eventType struct {
	name  string
	id    int32
	print func(sh *shell, ev networkEvent)
}

// eventTypes returns the types in the order of their numbers.
func eventTypes() []eventType {
	return []eventType{
		{"lifecycle", wire.EventLifecycle, printLifecycle},
		{"metadata-change", wire.EventMetadataChange, printMetadataChange},
	}
}

func printLifecycle(sh *shell, ev networkEvent) {
	sh.printf("event 'lifecycle' for network %s: %s\n", ev.network,
		nameOf(ev.kind, "Defined", "Undefined", "Started", "Stopped"))
}

func printMetadataChange(sh *shell, ev networkEvent) {
	uri := "<null>"
	if ev.uri != nil {
		uri = *ev.uri
	}
	sh.printf("event 'metadata-change' for network %s: type %s, uri %s\n", ev.network,
		nameOf(ev.kind, "description", "title", "element"), uri)
}

// nameOf returns the n-th name.
func nameOf(n int32, names ...string) string {
	if n < 0 || int(n) >= len(names) {
		return "unknown"
	}
	return names[n]
}

// netEvent runs net-event.
func netEvent(ctx context.Context, sh *shell, in invocation) error {
	if in.has("list") {
		for _, t := range eventTypes() {
			sh.printf("%s\n", t.name)
		}
		return nil
	}
	w, err := sh.newEventWait(ctx, in)
	if err != nil {
		return err
	}
	id, err := w.register(ctx)
	if err != nil {
		return err
	}
	end := w.wait(ctx, id)
	err = w.deregister(ctx, id)
	switch {
	case errors.Is(end, context.DeadlineExceeded):
		sh.printf("event loop timed out\n")
	case errors.Is(end, context.Canceled):
		sh.printf("event loop interrupted\n")
	}
	sh.printf("events received: %d\n", w.count)
	switch {
	case errors.Is(end, errNoMoreEvents):
		return sh.conn.link.lost()
	case err != nil:
		return err
	case w.count == 0:
		return &failure{} // fails, and says no more
	}
	return nil
}

// eventWait is one run of net-event.
type eventWait struct {
	sh        *shell
	typ       eventType
	network   libvirt.OptNetwork // empty for all
	loop      bool
	timestamp bool
	timeout   time.Duration // 0 for none
	count     int           // of events received
}

// newEventWait checks net-event's options, in virsh's order.
func (sh *shell) newEventWait(ctx context.Context, in invocation) (*eventWait, error) {
	w := &eventWait{sh: sh, loop: in.has("loop"), timestamp: in.has("timestamp")}
	name, err := in.text("event")
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, worded("either --list or --event <type> is required")
	}
	for _, t := range eventTypes() {
		if t.name == name {
			w.typ = t
		}
	}
	if w.typ.name == "" {
		return nil, worded("unknown event type " + name)
	}
	seconds, err := in.number("timeout", math.MaxInt32/1000)
	if err != nil {
		return nil, err
	}
	w.timeout = time.Duration(seconds) * time.Second
	if in.has("network") {
		n, _, err := sh.lookup(ctx, in, byEither)
		if err != nil {
			return nil, err
		}
		w.network = libvirt.OptNetwork{n}
	}
	return w, nil
}

func (w *eventWait) register(ctx context.Context) (id int32, err error) {
	conn := w.sh.conn
	err = conn.do(ctx, "virConnectNetworkEventRegisterAny", func() (err error) {
		id, err = conn.virt.ConnectNetworkEventRegisterAny(w.typ.id, w.network)
		return err
	})
	return id, err
}

// deregister is also due after an interrupt, for a moment.
func (w *eventWait) deregister(ctx context.Context, id int32) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	conn := w.sh.conn
	return conn.do(ctx, "virConnectNetworkEventDeregisterAny", func() error {
		return conn.virt.ConnectNetworkEventDeregisterAny(id)
	})
}

// wait prints events: one, or with loop all until the timeout or an
// interrupt. It returns nil after one, else why it ended.
func (w *eventWait) wait(ctx context.Context, id int32) error {
	if w.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.timeout)
		defer cancel()
	}
	for {
		ev, err := w.sh.conn.link.events.next(ctx)
		if err != nil {
			return err
		}
		if ev.callback != id {
			continue // of an earlier net-event on this connection
		}
		w.show(ev)
		if !w.loop {
			return nil
		}
	}
}

func (w *eventWait) show(ev networkEvent) {
	w.count++
	if w.timestamp {
		w.sh.printf("%s: ", time.Now().UTC().Format("2006-01-02 15:04:05.000-0700"))
	}
	w.typ.print(w.sh, ev)
}
