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

// listen notes that the client was heard.
func (c *client) listen() { c.heard.Store(int64(time.Since(c.born))) }

// keepalive pings after an interval of silence, and drops a client that
// leaves too many pings in a row unanswered. A client that is not read,
// because it is at its limit of calls, cannot be heard and is let be.
func (c *client) keepalive() {
	interval := c.srv.opts.KeepaliveInterval
	timer := time.NewTimer(interval)
	defer timer.Stop()
	var heard int64
	for pings := 0; ; {
		select {
		case <-timer.C:
		case <-c.done:
			return
		}
		if len(c.calls) == cap(c.calls) {
			c.listen()
		}
		if last := c.heard.Load(); last != heard {
			heard, pings = last, 0
		}
		if silence := time.Since(c.born) - time.Duration(heard); silence < interval {
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
