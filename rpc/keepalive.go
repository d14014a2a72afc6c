package rpc

import (
	"time"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// startKeepalive begins to ping a client that has said it can answer.
func (c *client) startKeepalive() {
	if c.srv.opts.KeepaliveInterval < 0 {
		return
	}
	c.pinging.Do(func() { c.tasks.Go(c.keepalive) })
}

// keepalive pings after an interval of silence, and drops a client that
// leaves too many pings in a row unanswered. A client that is not read,
// because it is at its limit of calls, cannot be heard and is let be.
func (c *client) keepalive() {
	interval := c.srv.opts.KeepaliveInterval
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for pings := 0; ; {
		select {
		case <-timer.C:
		case <-c.done:
			return
		}
		if len(c.calls) == cap(c.calls) {
			c.heard.Store(time.Now().UnixNano())
		}
		if silence := time.Since(time.Unix(0, c.heard.Load())); silence < interval {
			pings = 0
			timer.Reset(interval - silence)
			continue
		}
		if pings == c.srv.opts.KeepaliveCount {
			c.log.Info("client dropped: it does not answer")
			c.close()
			return
		}
		pings++
		c.write(wire.Keepalive(wire.KeepalivePing))
		timer.Reset(interval)
	}
}
