package wire

import (
	"bufio"
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answer is what a scripted server says to one call; nil for nothing.
type answer func(t *testing.T, nc net.Conn, call Frame)

func replies(status Status, body any) answer {
	return func(t *testing.T, nc net.Conn, call Frame) {
		h := call.Header
		h.Type, h.Status = Reply, status
		b, err := Encode(h, body)
		if err != nil {
			t.Error(err)
		}
		nc.Write(b)
	}
}

// script connects to a server that knows the given procedures and leaves
// other calls unanswered.
func script(t *testing.T, answers map[Proc]answer) *Conn {
	near, far := net.Pipe()
	go func() {
		r := bufio.NewReader(far)
		for {
			f, err := ReadFrame(r, MaxFrame)
			if err != nil {
				return
			}
			if a, ok := answers[f.Proc]; ok {
				a(t, far, f)
			}
		}
	}()
	c := NewConn(near)
	t.Cleanup(func() { far.Close(); c.Close() })
	return c
}

func TestEmptyListOfAuthenticationsMeansNone(t *testing.T) {
	c := script(t, map[Proc]answer{
		AuthList:               replies(OK, []int32{}),
		ConnectSupportsFeature: replies(OK, int32(0)),
		ConnectOpen:            replies(OK, nil),
	})
	if err := c.Open(t.Context(), "network:///system", false); err != nil {
		t.Error(err)
	}
}

func TestUnknownAuthenticationIsAnError(t *testing.T) {
	c := script(t, map[Proc]answer{AuthList: replies(OK, []int32{AuthSASL})})
	if err := c.Open(t.Context(), "network:///system", false); err == nil || err.Error() != "unsupported authentication type 1" {
		t.Errorf("got %v", err)
	}
}

func TestUndecodableReplyFailsTheCallOnly(t *testing.T) {
	c := script(t, map[Proc]answer{
		ConnectGetType: replies(OK, int32(99)),
		ConnectGetURI:  replies(Failed, int32(1)),
		ConnectOpen:    replies(OK, nil),
	})
	var s string
	if err := c.Call(t.Context(), ConnectGetType, nil, &s); !errors.Is(err, ErrShort) {
		t.Errorf("result: got %v", err)
	}
	if err := c.Call(t.Context(), ConnectGetURI, nil, &s); !errors.Is(err, ErrShort) {
		t.Errorf("error: got %v", err)
	}
	if err := c.Call(t.Context(), ConnectOpen, nil, nil); err != nil {
		t.Errorf("next call: %v", err)
	}
}

func TestArgumentsOverALimitAreNotSent(t *testing.T) {
	c := script(t, nil)
	if err := c.Call(t.Context(), ConnectSetIdentity, SetIdentityArgs{Params: make([]TypedParam, 21)}, nil); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v", err)
	}
}

func TestServerThatHangsUpEndsCalls(t *testing.T) {
	c := script(t, map[Proc]answer{ConnectGetType: func(_ *testing.T, nc net.Conn, _ Frame) { nc.Close() }})
	if err := c.Call(t.Context(), ConnectGetType, nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestSilentServerIsLeftWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := script(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Call(ctx, ConnectGetType, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPingOfTheServerIsAnswered(t *testing.T) {
	c := script(t, map[Proc]answer{
		ConnectGetType: func(t *testing.T, nc net.Conn, call Frame) {
			nc.Write(Keepalive(KeepalivePing))
		},
		Proc(KeepalivePong): func(t *testing.T, nc net.Conn, f Frame) {
			if !f.IsKeepalive() {
				t.Errorf("got %+v", f)
			}
			nc.Close()
		},
	})
	if err := c.Call(t.Context(), ConnectGetType, nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestEventsThatNobodyReadsEndTheConnection(t *testing.T) {
	c := script(t, map[Proc]answer{
		ConnectGetType: func(t *testing.T, nc net.Conn, _ Frame) {
			b, err := Encode(Header{Program: ProgramRemote, Version: 1, Proc: NetworkEventLifecycle, Type: Message}, LifecycleEvent{})
			if err != nil {
				t.Error(err)
			}
			for range eventQueue + 1 {
				nc.Write(b)
			}
		},
	})
	if err := c.Call(t.Context(), ConnectGetType, nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	n := 0
	for range c.Events() {
		n++
	}
	if n != eventQueue {
		t.Errorf("%d events were kept", n)
	}
}
