package wire

import (
	"errors"
	"io"
	"net"
	"testing"
)

// A library that reads and writes in pieces still sees and sends whole frames,
// and only those that are for it.
func TestFilterKeepsFramesWhole(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	f := NewFilter(ours, func(f Frame) (bool, error) {
		if f.Proc == 9 {
			return false, errors.New("nine")
		}
		return f.Type == Reply, nil
	})
	frame := func(p Proc, kind Type) []byte {
		b, err := Encode(Header{Program: ProgramRemote, Version: 1, Proc: p, Type: kind}, "text")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	go func() {
		theirs.Write(frame(1, Message))
		theirs.Write(frame(2, Reply))
		theirs.Write(frame(9, Reply))
	}()
	got := make([]byte, len(frame(2, Reply)))
	for i := range got {
		if _, err := io.ReadFull(f, got[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if string(got) != string(frame(2, Reply)) {
		t.Errorf("read % x", got)
	}
	if _, err := f.Read(got); err == nil || err.Error() != "nine" {
		t.Errorf("reading ended with %v", err)
	}

	sent := make(chan []byte, 1)
	go func() {
		all := make([]byte, len(frame(3, Call))+len(Keepalive(KeepalivePong)))
		io.ReadFull(theirs, all)
		sent <- all
	}()
	call := frame(3, Call)
	if _, err := f.Write(call[:10]); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteFrame(Keepalive(KeepalivePong)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(call[10:]); err != nil {
		t.Fatal(err)
	}
	if want := append(Keepalive(KeepalivePong), call...); string(<-sent) != string(want) {
		t.Error("the frames were mixed")
	}
}
