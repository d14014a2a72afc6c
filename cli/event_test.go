package cli

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// runEvents runs net-event and, once it waits, do. Lines that the command
// prints are also sent to lines. stop interrupts the command.
func runEvents(t *testing.T, d *fakeDaemon, do func(stop func(), lines <-chan string), args ...string) result {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &lineWriter{lines: make(chan string, 64)}
	var errOut strings.Builder
	done := make(chan int, 1)
	go func() {
		done <- Main(ctx, args, Env{Stdin: strings.NewReader(""), Stdout: out, Stderr: &errOut,
			Getenv: func(name string) string { return map[string]string{"VNETMGR_SOCKET": d.socket}[name] }})
	}()
	<-d.registered
	if do != nil {
		do(stop, out.lines)
	}
	status := <-done
	return result{out.text.String(), errOut.String(), status}
}

// lineWriter keeps what is written and passes each write on.
type lineWriter struct {
	text  strings.Builder
	lines chan string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.text.Write(p)
	w.lines <- string(p)
	return len(p), nil
}

func (d *fakeDaemon) emitLifecycle(name string, event int32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.emit(d.find(name), event)
}

func (d *fakeDaemon) emitMetadata(name string, kind int32, uri *string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.find(name)
	d.message(wire.NetworkEventMetadataChange, wire.EventMetadataChange, n, func(callback int32) any {
		return metadataEvent{CallbackID: callback, Network: n.ref(), Type: kind, NSURI: uri}
	})
}

func TestOneEventEndsNetEvent(t *testing.T) {
	d := newFakeDaemon(t)
	got := runEvents(t, d, func(func(), <-chan string) { d.emitLifecycle("Zed", 2) }, "net-event", "--event", "lifecycle")
	want := result{Out: "event 'lifecycle' for network Zed: Started\nevents received: 1\n\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoopPrintsEventsUntilInterrupted(t *testing.T) {
	d := newFakeDaemon(t)
	got := runEvents(t, d, func(stop func(), lines <-chan string) {
		for event := range int32(5) {
			d.emitLifecycle("default", event)
			<-lines
		}
		stop()
	}, "-q", "net-event", "--event", "lifecycle", "--loop")
	want := result{Out: "event 'lifecycle' for network default: Defined\n" +
		"event 'lifecycle' for network default: Undefined\n" +
		"event 'lifecycle' for network default: Started\n" +
		"event 'lifecycle' for network default: Stopped\n" +
		"event 'lifecycle' for network default: unknown\n" +
		"event loop interrupted\nevents received: 5\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMetadataEvents(t *testing.T) {
	d := newFakeDaemon(t)
	got := runEvents(t, d, func(stop func(), lines <-chan string) {
		d.emitMetadata("default", 0, nil)
		<-lines
		d.emitMetadata("default", 2, new("urn:x"))
		<-lines
		stop()
	}, "-q", "net-event", "default", "metadata-change", "--loop")
	want := result{Out: "event 'metadata-change' for network default: type description, uri <null>\n" +
		"event 'metadata-change' for network default: type element, uri urn:x\n" +
		"event loop interrupted\nevents received: 2\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEventsOfOtherNetworksAreNotCounted(t *testing.T) {
	d := newFakeDaemon(t)
	got := runEvents(t, d, func(func(), <-chan string) {
		d.emitLifecycle("default", 3)
		d.emitLifecycle("Zed", 2)
	}, "-q", "net-event", "--event", "lifecycle", "--network", "Zed")
	want := result{Out: "event 'lifecycle' for network Zed: Started\nevents received: 1\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEventTimestamp(t *testing.T) {
	d := newFakeDaemon(t)
	got := runEvents(t, d, func(func(), <-chan string) { d.emitLifecycle("Zed", 0) },
		"-q", "net-event", "--event", "lifecycle", "--timestamp")
	want := regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000: event 'lifecycle' for network Zed: Defined\n`)
	if !want.MatchString(got.Out) {
		t.Errorf("got %q", got.Out)
	}
}

func TestNoEventIsAFailure(t *testing.T) {
	d := newFakeDaemon(t)
	got := runEvents(t, d, nil, "net-event", "--event", "lifecycle", "--timeout", "1")
	if diff := cmp.Diff(result{Out: "event loop timed out\nevents received: 0\n\n", Status: 1}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLostDaemonEndsNetEvent(t *testing.T) {
	d := newFakeDaemon(t)
	got := runEvents(t, d, func(func(), <-chan string) {
		d.mu.Lock()
		d.events[0].conn.conn.(io.Closer).Close()
		d.mu.Unlock()
	}, "-q", "net-event", "--event", "lifecycle")
	want := result{Out: "events received: 0\n", Err: "error: End of file while reading data: Input/output error\n", Status: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
