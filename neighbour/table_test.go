package neighbour

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A play is a table and its clock.
type play struct {
	*table
	now time.Time
}

func newPlay() *play {
	cfg := Config{Link: "virbr0", Prefixes: []netip.Prefix{netip.MustParsePrefix("fd00:7::/64")}}
	return &play{newTable(cfg), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// stationMAC is the n-th station.
func stationMAC(n byte) MAC { return MAC{0x52, 0x54, 0, 0, 0, n} }

func at(addr string, n byte) Neighbour { return Neighbour{netip.MustParseAddr(addr), stationMAC(n)} }

// pass lets time go by, with has answering what it has, and returns what was
// asked and what changed.
func (p *play) pass(d time.Duration, has ...Neighbour) string {
	var told []string
	for end := p.now.Add(d); ; {
		for _, q := range p.due(p.now) {
			how := "ask " + q.MAC.String()[15:]
			if q.all {
				how = "ask all"
			}
			told = append(told, how+" "+q.Addr.String())
			for _, h := range has {
				if h.Addr == q.Addr && (q.all || h.MAC == q.MAC) {
					p.answer(h, p.now)
				}
			}
		}
		gone, set := p.changes()
		for _, n := range gone {
			told = append(told, "gone "+n.Addr.String())
		}
		for _, n := range set {
			told = append(told, fmt.Sprintf("set %s of %s", n.Addr, n.MAC.String()[15:]))
		}
		if next := p.next(); next.IsZero() || next.After(end) {
			p.now = end
			return strings.Join(told, ", ")
		}
		p.now = p.next()
	}
}

func (p *play) hear(n Neighbour) { p.claim(n, p.now) }

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// followOnly follows a station without guessing its addresses.
func (p *play) followOnly(n byte) {
	p.follow(stationMAC(n), p.now)
	p.pass(10 * time.Second)
}

func TestClaimCountsWhenItIsAnsweredAndAsLongAsItIs(t *testing.T) {
	p := newPlay()
	p.followOnly(1)
	mine := at("fd00:7::1:2", 1)
	p.hear(mine)
	expect(t, "at first", p.pass(time.Second, mine), "")
	expect(t, "then", p.pass(time.Second, mine), "ask all fd00:7::1:2, set fd00:7::1:2 of 01")
	expect(t, "later", p.pass(time.Minute, mine), "ask 01 fd00:7::1:2")
	ask := "ask 01 fd00:7::1:2, "
	expect(t, "without an answer", p.pass(2*time.Minute), strings.Repeat(ask, askTimes)+"gone fd00:7::1:2")
	expect(t, "when it is gone", p.pass(time.Hour), "")
}

func TestStationThatIsHeardIsNotAsked(t *testing.T) {
	p := newPlay()
	p.followOnly(1)
	mine := at("fd00:7::1:2", 1)
	p.hear(mine)
	p.pass(2*time.Second, mine)
	for range 10 {
		p.hear(mine)
		expect(t, "while it talks", p.pass(30*time.Second), "")
	}
}

func TestStationsAreAskedForWhatTheyAreLikelyToHave(t *testing.T) {
	p := newPlay()
	p.follow(stationMAC(1), p.now)
	guess := at("fd00:7::5054:ff:fe00:1", 1)
	expect(t, "guess", p.pass(2*time.Second, guess), "ask all fd00:7::5054:ff:fe00:1, set fd00:7::5054:ff:fe00:1 of 01")
}

func TestWhatABystanderClaimedCountsOnceItMatters(t *testing.T) {
	p := newPlay()
	mine := at("fd00:7::1:2", 1)
	p.hear(mine)
	expect(t, "before", p.pass(time.Hour, mine), "")
	p.follow(stationMAC(1), p.now)
	expect(t, "after", p.pass(time.Second, mine), "ask all fd00:7::1:2, set fd00:7::1:2 of 01")
	p.pass(10*time.Second, mine)
	p.unfollow(stationMAC(1))
	expect(t, "when it does not matter any more", p.pass(time.Hour, mine), "gone fd00:7::1:2")
	p.follow(stationMAC(1), p.now)
	expect(t, "and again", p.pass(time.Second, mine), "ask all fd00:7::1:2, set fd00:7::1:2 of 01")
}

func TestAddressIsItsFirstHoldersWhileThatAnswers(t *testing.T) {
	p := newPlay()
	p.followOnly(1)
	p.followOnly(2)
	mine, theirs := at("fd00:7::1:2", 1), at("fd00:7::1:2", 2)
	p.hear(mine)
	p.pass(2*time.Second, mine)
	p.hear(theirs)
	expect(t, "too soon", p.pass(time.Second, mine, theirs), "")
	p.hear(theirs)
	expect(t, "claimed", p.pass(time.Second, mine, theirs), "ask 01 fd00:7::1:2")
	p.answer(theirs, p.now)
	expect(t, "answered by another", p.pass(time.Second, mine, theirs), "ask 01 fd00:7::1:2")
	p.hear(theirs)
	want := strings.Repeat("ask 01 fd00:7::1:2, ", askTimes) + "gone fd00:7::1:2, ask all fd00:7::1:2, set fd00:7::1:2 of 02"
	expect(t, "when the first is gone", p.pass(10*time.Second, theirs), want)
}

func TestUnansweredClaimGivesWayToWhoAnswers(t *testing.T) {
	p := newPlay()
	p.followOnly(1)
	p.followOnly(2)
	p.hear(at("fd00:7::1:2", 1))
	p.hear(at("fd00:7::1:2", 2))
	expect(t, "answered by the rival", p.pass(2*time.Second, at("fd00:7::1:2", 2)), "ask all fd00:7::1:2, set fd00:7::1:2 of 02")
}

func TestOtherPrefixesAreNobodysBusiness(t *testing.T) {
	p := newPlay()
	p.followOnly(1)
	for _, addr := range []string{"fe80::1", "fd00:8::1", "2001:db8::1", "ff02::1"} {
		p.hear(at(addr, 1))
		p.answer(at(addr, 1), p.now)
	}
	expect(t, "asked", p.pass(time.Minute), "")
	mine := at("fd00:7::1:2", 1)
	p.hear(mine)
	p.pass(2*time.Second, mine)
	p.configure(Config{Prefixes: []netip.Prefix{netip.MustParsePrefix("fd00:9::/64")}})
	expect(t, "when the prefix changes", p.pass(time.Hour, mine), "gone fd00:7::1:2")
}

// numbered is the n-th address.
func numbered(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfd, 0, 0, 7, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})
}

func TestStationsTakeNoMoreThanTheirShareOfMemory(t *testing.T) {
	p := newPlay()
	p.cfg.Prefixes = []netip.Prefix{netip.MustParsePrefix("fd00:7::/32")}
	p.followOnly(1)
	var all []Neighbour
	for i := range 1000 {
		n := Neighbour{numbered(i), stationMAC(1)}
		all = append(all, n)
		p.hear(n)
		p.pass(10*time.Second, all...)
	}
	var kept []netip.Addr
	for _, e := range p.byMAC[stationMAC(1)] {
		kept = append(kept, e.Addr)
	}
	var want []netip.Addr
	for _, n := range all[len(all)-maxEach:] {
		want = append(want, n.Addr)
	}
	if diff := cmp.Diff(want, kept, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	for i := range 100_000 {
		p.hear(Neighbour{numbered(1<<20 + i), MAC{2, 9, byte(i >> 16), byte(i >> 8), byte(i)}})
	}
	if n := len(p.entries); n > maxEach+maxBystand {
		t.Errorf("%d entries are kept", n)
	}
	if len(p.byMAC) > 1+maxBystand || len(p.queue) > maxEach {
		t.Errorf("%d stations, %d questions", len(p.byMAC), len(p.queue))
	}
}
