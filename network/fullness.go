package network

import (
	"context"
	"log/slog"
	"time"
)

// fullness is how full a pool of addresses was when it was last looked at.
type fullness int

const (
	roomy     fullness = iota
	nearFull           // nine addresses in ten are taken
	exhausted          // all are
)

// next is how full the pool is now. It must have emptied to 85 % before it is
// roomy again, so that one guest that comes and goes is not told of each time.
func (f fullness) next(u PoolUse) fullness {
	switch taken := u.Taken; {
	case u.Size == 0:
		return roomy
	case taken >= u.Size:
		return exhausted
	case taken*100 >= u.Size*90, f != roomy && taken*100 >= u.Size*85:
		return nearFull
	}
	return roomy
}

// poolPeriod is how often pools are looked at.
const poolPeriod = 5 * time.Second

// watchPools warns of pools of addresses that are nearly or wholly given away,
// until ctx ends.
func (m *Manager) watchPools(ctx context.Context) {
	tick := time.NewTicker(poolPeriod)
	defer tick.Stop()
	known := make(map[string]fullness)
	for {
		select {
		case <-tick.C:
			known = warnOfPools(m.log, m.Stats().Networks, known)
		case <-ctx.Done():
			return
		}
	}
}

// warnOfPools logs what has become fuller since known, and returns what is
// known now.
func warnOfPools(log *slog.Logger, networks []NetworkStats, known map[string]fullness) map[string]fullness {
	now := make(map[string]fullness)
	for _, n := range networks {
		for _, pool := range []struct {
			server string
			usage  PoolUse
		}{{"DHCPv4", n.Pool4}, {"DHCPv6", n.Pool6}} {
			key := pool.server + " " + n.Name
			was := known[key]
			is := was.next(pool.usage)
			now[key] = is
			if is <= was {
				continue
			}
			text := "nine in ten addresses of the pool are taken"
			if is == exhausted {
				text = "no address of the pool is left: new guests get none"
			}
			log.Warn(text, "network", n.Name, "server", pool.server, "taken", pool.usage.Taken, "of", pool.usage.Size)
		}
	}
	return now
}
