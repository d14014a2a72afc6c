package wire

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkDecode decodes b into want's type and compares.
func checkDecode(t *testing.T, b []byte, want any) {
	t.Helper()
	got := reflect.New(reflect.TypeOf(want))
	if err := Unmarshal(b, got.Interface()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Elem().Interface()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// messages has one of every type of argument and result.
var messages = []any{
	Empty{},
	int32(-7),
	uint64(11_003_000),
	"ab",
	UUID{1, 2, 3},
	Network{"default", UUID{15: 9}},
	[]int32{AuthByPolkit, AuthSASL},
	OpenArgs{},
	OpenArgs{URI: ptr(""), Flags: OpenReadOnly},
	SetIdentityArgs{Params: []TypedParam{
		{"int", int32(-1)},
		{"uint", uint32(math.MaxUint32)},
		{"process-id", int64(-5)},
		{"unix-user-id", uint64(math.MaxUint64)},
		{"double", 1.5},
		{"yes", true},
		{"no", false},
		{"user-name", "root"},
	}},
	ListAllArgs{1, ListActive},
	ListAllRet{Networks: []Network{{"a", UUID{1}}, {"bcdef", UUID{2}}}, Count: 2},
	ListNamesRet{Names: []string{"", "a", "abcd"}},
	XMLFlagsArgs{"<network/>", XMLValidate},
	GetXMLArgs{Network{"n", UUID{1}}, XMLInactive},
	SetAutostartArgs{Network{"n", UUID{1}}, 1},
	EventRegisterArgs{EventID: EventMetadataChange},
	EventRegisterArgs{Network: &Network{"n", UUID{1}}},
	LifecycleEvent{3, Network{"n", UUID{1}}, 2, 0},
	GetLeasesArgs{Network: Network{"n", UUID{1}}, MAC: ptr("52:54:00:00:00:01"), NeedResults: 1},
	GetLeasesRet{Leases: []Lease{
		{Link: "virbr0", Expiry: 1 << 40, MAC: ptr("52:54:00:00:00:01"), Addr: "192.168.122.2", Prefix: 24, Hostname: ptr("g")},
		{Link: "virbr0", Type: LeaseIPv6, IAID: ptr("7"), Addr: "fd00::2", Prefix: 64, ClientID: ptr("00:01")},
	}, Count: 2},
	Error{Code: CodeInternal, Guest: &DomainRef{"g", UUID{1}, 5}, Str3: ptr("three"), Network: &Network{"n", UUID{1}}},
}

func TestMessagesSurviveTheRoundTrip(t *testing.T) {
	for _, want := range messages {
		t.Run(reflect.TypeOf(want).String(), func(t *testing.T) {
			b, err := Append(nil, want)
			if err != nil {
				t.Fatal(err)
			}
			if len(b)%4 != 0 {
				t.Errorf("%d bytes are no whole words", len(b))
			}
			checkDecode(t, b, want)
		})
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	for _, m := range messages {
		b, err := Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		for n := range b {
			if err := Unmarshal(b[:n], reflect.New(reflect.TypeOf(m)).Interface()); err == nil {
				t.Errorf("%T: the first %d of %d bytes were accepted", m, n, len(b))
			}
		}
	}
}

func TestBytesAfterThePayloadAreRefused(t *testing.T) {
	for _, m := range messages {
		b, err := Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		err = Unmarshal(append(b, 0, 0, 0, 0), reflect.New(reflect.TypeOf(m)).Interface())
		if !errors.Is(err, ErrTrailing) {
			t.Errorf("%T: got %v", m, err)
		}
	}
}

func TestAnyNonZeroWordMeansPresent(t *testing.T) {
	// go-libvirt sends CONNECT_OPEN so.
	b := packet(t, "01000000 00000001 78000000 00000000")
	checkDecode(t, b, OpenArgs{URI: ptr("x")})
}

func TestPaddingIsNotLookedAt(t *testing.T) {
	checkDecode(t, packet(t, "00000001 78010203"), "x")
}

func TestLimitsAreKept(t *testing.T) {
	params := make([]TypedParam, 21)
	for i := range params {
		params[i] = TypedParam{"x", int32(0)}
	}
	for _, tt := range []struct {
		name string
		v    any
		want error
	}{
		{"string", strings.Repeat("x", MaxString+1), ErrTooLong},
		{"nested string", OpenArgs{URI: ptr(strings.Repeat("x", MaxString+1))}, ErrTooLong},
		{"typed parameters", SetIdentityArgs{Params: params}, ErrTooLong},
		{"networks", ListAllRet{Networks: make([]Network, MaxNetworks+1)}, ErrTooLong},
		{"frame", []string{8: strings.Repeat("x", MaxString)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Append(nil, tt.v); !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	big := strings.Repeat("x", MaxString)
	if _, err := Encode(Header{}, []string{big, big, big, big, big, big, big, big, big}); !errors.Is(err, ErrLength) {
		t.Errorf("frame of 36 MiB: got %v", err)
	}
}

func TestHostileLengthsAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name, words string
		into        any
		want        error
	}{
		{"string beyond the payload", "00000100 78000000", new(string), ErrShort},
		{"string without its padding", "00000003 787878", new(string), ErrShort},
		{"string over the limit", "00400001 78000000", new(string), ErrTooLong},
		{"negative string", "ffffffff 78000000", new(string), ErrTooLong},
		{"array beyond the payload", "00000002 00000000", new([]int32), ErrShort},
		{"negative array", "ffffffff 00000000", new([]int32), ErrTooLong},
		{"array over its limit", "00000015 00000000", new(SetIdentityArgs), ErrTooLong},
		{"uuid cut", "00000000 00000000", new(UUID), ErrShort},
		{"typed parameter of type 0", "00000001 00000001 78000000 00000000 00000000 00000000", new(SetIdentityArgs), ErrUnion},
		{"typed parameter of type 8", "00000001 00000001 78000000 00000008 00000000 00000000", new(SetIdentityArgs), ErrUnion},
		{"typed parameter cut", "00000001 00000001 78000000 00000004 00000000", new(SetIdentityArgs), ErrShort},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := Unmarshal(packet(t, tt.words), tt.into); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestUnknownTypedParameterIsNotEncoded(t *testing.T) {
	if b, err := Append(nil, TypedParam{"x", 'x' + 0i}); err == nil {
		t.Errorf("became %x", b)
	}
}

func TestParameterKindsAreNamedAsLibvirtDoes(t *testing.T) {
	var got []string
	for kind := range ParamString + 2 {
		got = append(got, ParamName(kind))
	}
	want := []string{"unknown", "int", "uint", "llong", "ullong", "double", "boolean", "string", "unknown"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestProceduresAreNamed(t *testing.T) {
	for p, want := range map[Proc]string{1: "CONNECT_OPEN", 341: "NETWORK_GET_DHCP_LEASES", 9999: "9999"} {
		if got := p.String(); got != want {
			t.Errorf("%d: got %s, want %s", uint32(p), got, want)
		}
	}
}

// FuzzDecode decodes into every type. What is accepted must survive another
// round trip.
func FuzzDecode(f *testing.F) {
	for i, m := range messages {
		b, err := Append(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, b)
	}
	f.Fuzz(func(t *testing.T, i int, b []byte) {
		typ := reflect.TypeOf(messages[uint(i)%uint(len(messages))])
		first, second := reflect.New(typ), reflect.New(typ)
		if Unmarshal(b, first.Interface()) != nil {
			return
		}
		again, err := Append(nil, first.Elem().Interface())
		if err != nil {
			t.Fatal(err)
		}
		if len(again) != len(b) {
			t.Fatalf("%x became %x", b, again)
		}
		if err := Unmarshal(again, second.Interface()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first.Elem().Interface(), second.Elem().Interface(), cmp.Comparer(sameFloat)); diff != "" {
			t.Errorf("(-first +second)\n%s", diff)
		}
	})
}

// sameFloat compares bits, because a NaN is a value here.
func sameFloat(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

func BenchmarkLeases100(b *testing.B) {
	l := Lease{Link: "virbr0", Expiry: 1 << 40, MAC: ptr("52:54:00:00:00:01"), Addr: "192.168.122.2", Prefix: 24, Hostname: ptr("guest")}
	var ret GetLeasesRet
	for range 100 {
		ret.Leases = append(ret.Leases, l)
	}
	for b.Loop() {
		buf, err := Append(nil, ret)
		if err != nil {
			b.Fatal(err)
		}
		var got GetLeasesRet
		if err := Unmarshal(buf, &got); err != nil {
			b.Fatal(err)
		}
	}
}
