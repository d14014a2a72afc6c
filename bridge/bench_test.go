package bridge_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/vnetmgr/vnetmgr/bridge"
)

// BenchmarkApply measures a new bridge, one that is as wanted already, and its
// removal, alone and among 500 other bridges that are networks too.
func BenchmarkApply(b *testing.B) {
	for _, others := range []int{0, 500} {
		h := newHost(b)
		for i := range others {
			h.apply(b, bridge.Config{
				Name: fmt.Sprint("other", i), Owner: fmt.Sprint("owner", i),
				MAC: mac(fmt.Sprintf("52:54:00:01:%02x:%02x", i/256, i%256)), IPv6: true,
				Addrs: prefixes(fmt.Sprintf("10.%d.%d.1/24", i/256, i%256), fmt.Sprintf("fd00:%x::1/64", i)),
				Routes: []bridge.Route{
					route(fmt.Sprintf("172.%d.%d.0/24", i/256, i%256), fmt.Sprintf("10.%d.%d.2", i/256, i%256), 0),
				},
			})
		}
		for name, want := range map[string]bridge.Config{"nat": nat(), "dual": dual()} {
			title := fmt.Sprintf("others=%d/%s", others, name)
			b.Run(title+"/fresh", func(b *testing.B) { h.bench(b, want, true, false) })
			b.Run(title+"/again", func(b *testing.B) { h.bench(b, want, false, false) })
			b.Run(title+"/remove", func(b *testing.B) { h.bench(b, want, false, true) })
		}
		b.Run(fmt.Sprintf("others=%d/observe", others), func(b *testing.B) {
			h.Do(func() {
				for b.Loop() {
					if _, err := h.conn.Observe(context.Background()); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// bench times Apply on a fresh bridge, or Remove, or else Apply on one that is
// there.
func (h host) bench(b *testing.B, want bridge.Config, fresh, remove bool) {
	ctx := context.Background()
	apply := func() {
		if err := h.conn.Apply(ctx, want); err != nil {
			b.Fatal(err)
		}
	}
	gone := func() {
		if err := h.conn.Remove(ctx, want.Name, want.Owner); err != nil {
			b.Fatal(err)
		}
	}
	h.Do(func() {
		apply()
		for b.Loop() {
			switch {
			case fresh:
				b.StopTimer()
				gone()
				b.StartTimer()
				apply()
			case remove:
				b.StopTimer()
				apply()
				b.StartTimer()
				gone()
			default:
				apply()
			}
		}
		gone()
	})
}
