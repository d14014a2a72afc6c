package wire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// packet turns hexadecimal words, as a trace prints them, into bytes.
func packet(t *testing.T, words string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(words), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(b []byte) (Frame, error) {
	return ReadFrame(bufio.NewReader(bytes.NewReader(b)), MaxFrame)
}

func ptr[T any](v T) *T { return &v }

// Recorded between virsh 11.3 and virtnetworkd 11.3; the error reply was
// recorded decoded.
var recorded = []struct {
	name   string
	words  string
	header Header
	body   any
}{
	{
		name:   "AUTH_LIST call",
		words:  "0000001c 20008086 00000001 00000042 00000000 00000000 00000000",
		header: Header{ProgramRemote, 1, AuthList, Call, 0, OK},
		body:   Empty{},
	},
	{
		name:   "AUTH_LIST reply",
		words:  "00000024 20008086 00000001 00000042 00000001 00000000 00000000 00000001 00000000",
		header: Header{ProgramRemote, 1, AuthList, Reply, 0, OK},
		body:   []int32{AuthNone},
	},
	{
		name: "CONNECT_OPEN call",
		words: `0000003c 20008086 00000001 00000001 00000000 00000001 00000000
			00000001 00000011 6e657477 6f726b3a 2f2f2f73 79737465 6d000000 00000000`,
		header: Header{ProgramRemote, 1, ConnectOpen, Call, 1, OK},
		body:   OpenArgs{URI: ptr("network:///system")},
	},
	{
		name:   "CONNECT_OPEN reply",
		words:  "0000001c 20008086 00000001 00000001 00000001 00000001 00000000",
		header: Header{ProgramRemote, 1, ConnectOpen, Reply, 1, OK},
		body:   Empty{},
	},
	{
		name:   "NETWORK_LOOKUP_BY_NAME call",
		words:  "00000028 20008086 00000001 0000002e 00000000 00000002 00000000 00000007 64656661 756c7400",
		header: Header{ProgramRemote, 1, NetworkLookupByName, Call, 2, OK},
		body:   "default",
	},
	{
		name: "NETWORK_LOOKUP_BY_NAME reply",
		words: `00000038 20008086 00000001 0000002e 00000001 00000002 00000000 00000007 64656661 756c7400
			00010203 04050607 08090a0b 0c0d0e0f`,
		header: Header{ProgramRemote, 1, NetworkLookupByName, Reply, 2, OK},
		body:   Network{"default", UUID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
	},
	{
		name: "error reply",
		words: `00000088 20008086 00000001 0000002e 00000001 00000002 00000001
			0000002b 00000013 00000001 00000016 4e657477 6f726b20 6e6f7420 666f756e 643a2078 78780000
			00000002 00000000 00000001 00000017 4e657477 6f726b20 6e6f7420 666f756e 643a2025 31247300
			00000001 00000003 78787800 00000000 ffffffff ffffffff 00000000`,
		header: Header{ProgramRemote, 1, NetworkLookupByName, Reply, 2, Failed},
		body: Error{
			Code: CodeNoNetwork, Domain: FromNetwork, Message: ptr("Network not found: xxx"), Level: LevelError,
			Str1: ptr("Network not found: %1$s"), Str2: ptr("xxx"), Int1: -1, Int2: -1,
		},
	},
	{
		name:   "keepalive ping",
		words:  "0000001c 6b656570 00000001 00000001 00000002 00000000 00000000",
		header: Header{ProgramKeepalive, 1, KeepalivePing, Message, 0, OK},
		body:   Empty{},
	},
}

func TestRecordedFramesAreEncodedByteForByte(t *testing.T) {
	for _, tt := range recorded {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Encode(tt.header, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(hex.Dump(packet(t, tt.words)), hex.Dump(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestRecordedFramesAreDecoded(t *testing.T) {
	for _, tt := range recorded {
		t.Run(tt.name, func(t *testing.T) {
			f, err := read(packet(t, tt.words))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.header, f.Header); diff != "" {
				t.Errorf("header (-want +got)\n%s", diff)
			}
			checkDecode(t, f.Payload, tt.body)
		})
	}
}

func TestKeepaliveFramesHaveNoPayloadAndSerialZero(t *testing.T) {
	want := packet(t, "0000001c 6b656570 00000001 00000002 00000002 00000000 00000000")
	if diff := cmp.Diff(want, Keepalive(KeepalivePong)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFrameOfBadLengthIsRefused(t *testing.T) {
	const rest = " 20008086 00000001 00000042 00000000 00000000 00000000"
	for _, tt := range []struct {
		name, words string
		want        error
	}{
		{"empty", "", io.EOF},
		{"half a length", "0000", io.ErrUnexpectedEOF},
		{"length without header", "0000001c", io.ErrUnexpectedEOF},
		{"half a header", "0000001c 20008086 00000001", io.ErrUnexpectedEOF},
		{"zero", "00000000" + rest, ErrLength},
		{"shorter than a header", "0000001b" + rest, ErrLength},
		{"longer than the limit", "02000005" + rest, ErrLength},
		{"negative", "ffffffff" + rest, ErrLength},
		{"payload missing", "00000020" + rest, io.ErrUnexpectedEOF},
		{"payload cut", "00000020" + rest + " 0000", io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := read(packet(t, tt.words)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestAnnouncedLengthAllocatesNothing(t *testing.T) {
	head := packet(t, "02000004 20008086 00000001 00000042 00000000 00000000 00000000")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := read(head); err == nil {
		t.Fatal("a frame of 32 MiB was read from 28 bytes")
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

func TestLargeFrameArrivesWhole(t *testing.T) {
	want := strings.Repeat("0123456789abcdef", 1<<16)
	b, err := Encode(Header{Proc: NetworkDefineXML}, want)
	if err != nil {
		t.Fatal(err)
	}
	f, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := Unmarshal(f.Payload, &got); err != nil || got != want {
		t.Errorf("%d bytes came back (%v)", len(got), err)
	}
}

func TestFileDescriptorsAreSkipped(t *testing.T) {
	withFDs := packet(t, "00000024 20008086 00000001 00000042 00000004 00000000 00000000 00000002 000000ff 0000")
	next := packet(t, "0000001c 20008086 00000001 00000042 00000000 00000007 00000000")
	r := bufio.NewReader(bytes.NewReader(append(withFDs, next...)))
	f, err := ReadFrame(r, MaxFrame)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]byte{0, 0, 0, 0xff}, f.Payload); diff != "" {
		t.Errorf("payload (-want +got)\n%s", diff)
	}
	if f, err = ReadFrame(r, MaxFrame); err != nil || f.Serial != 7 {
		t.Errorf("next frame: %+v, %v", f, err)
	}
}

func TestBadFileDescriptorCountIsRefused(t *testing.T) {
	for _, words := range []string{
		"0000001c 20008086 00000001 00000042 00000004 00000000 00000000",
		"00000020 20008086 00000001 00000042 00000004 00000000 00000000 00000021",
	} {
		if _, err := read(packet(t, words)); !errors.Is(err, ErrFDs) {
			t.Errorf("%s: got %v", words, err)
		}
	}
}

func FuzzFrame(f *testing.F) {
	for _, tt := range recorded {
		b, err := Encode(tt.header, tt.body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := read(b)
		if err != nil || got.Type == CallWithFDs || got.Type == ReplyWithFDs {
			return
		}
		head, err := Encode(got.Header, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := len(head) + len(got.Payload)
		if !bytes.Equal(head[4:], b[4:len(head)]) || !bytes.Equal(got.Payload, b[len(head):n]) {
			t.Errorf("%x became %+v", b, got)
		}
	})
}
