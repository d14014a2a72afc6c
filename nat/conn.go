package nat

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// errChanged is that another program changed the ruleset between our reading
// it and our change.
var errChanged = errors.New("the ruleset changed meanwhile")

// Conn applies rulesets to the kernel, in the network namespace in which it
// was opened. Where the kernel has table owners it must live as long as its
// user wants the table guarded: others cannot change the table meanwhile, and
// without a Conn the table stays, but anyone may change it.
type Conn struct {
	flags nftables.TableFlags // what our table is made with

	mu   sync.Mutex     // guards what follows
	nft  *nftables.Conn // writes, and owns the table
	port uint32         // netlink port of nft: the owner's name
	read *netlink.Conn  // reads
	// known is what the table holds as of a generation, nil if that is to be
	// read from the kernel. As the kernel counts every change by anyone, and
	// takes ours only if made for the current generation, it is never stale.
	known *state
	gen   uint32
	// want is the last table that was applied, nil for none; drift is
	// measured from it once applied is true.
	want    *table
	applied bool
}

// Open opens a connection to nftables in the calling thread's network
// namespace and learns what the kernel can do. It needs CAP_NET_ADMIN and a
// kernel with nf_tables.
func Open() (*Conn, error) {
	c := &Conn{}
	var err error
	if c.read, err = netlink.Dial(unix.NETLINK_NETFILTER, nil); err != nil {
		return nil, fmt.Errorf("open nftables: %w", kernelError(err))
	}
	// Before anything else, as the answer tells permission from support.
	if _, err = c.generation(); err != nil {
		return nil, errors.Join(fmt.Errorf("open nftables: %w", kernelError(err)), c.read.Close())
	}
	if c.nft, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(c.setUp)); err != nil {
		return nil, errors.Join(fmt.Errorf("open nftables: %w", err), c.read.Close())
	}
	if err := c.probe(); err != nil {
		return nil, errors.Join(fmt.Errorf("open nftables: %w", kernelError(err)), c.Close())
	}
	return c, nil
}

// setUp learns the writing socket's port, which the kernel gives as the
// owner, and gives it room for a batch of thousands of networks.
func (c *Conn) setUp(nl *netlink.Conn) error {
	const room = 64 << 20 // a limit, not an allocation
	c.port = nl.PID()
	return errors.Join(nl.SetReadBuffer(room), nl.SetWriteBuffer(room))
}

// probe finds out whether tables can have an owner and outlive it, by making
// and deleting one in the same transaction.
func (c *Conn) probe() error {
	const guarded = nftables.TableFlagOwner | nftables.TableFlagPersist
	t := &nftables.Table{Name: TableName + "-probe", Family: unix.NFPROTO_INET, Flags: guarded}
	c.nft.AddTable(t)
	c.nft.DelTable(t)
	switch err := c.nft.Flush(); {
	case err == nil:
		c.flags = guarded
	case !errors.Is(err, unix.EOPNOTSUPP):
		return err
	}
	return nil
}

// Close ends the connection. The table stays.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.nft.CloseLasting(), c.read.Close())
}

// Apply makes the kernel's table that of rs, in one transaction: base chains
// and maps where they are missing, and the parts of those networks that
// differ; without networks the table goes. When it fails nothing has changed,
// and the error names the network if it is one network's part that the kernel
// refuses. A masquerade port range that libvirt refuses is a [PortRangeError].
func (c *Conn) Apply(ctx context.Context, rs Ruleset) error {
	want, err := compile(rs)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("apply the nftables rules: %w", err)
		}
		// Whoever disturbed us has had its change: this ends.
		if err = c.apply(want); !errors.Is(err, errChanged) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("apply the nftables rules: %w", c.blame(rs, err))
	}
	c.want, c.applied = want, true
	return nil
}

// apply makes one attempt; errChanged asks for another.
func (c *Conn) apply(want *table) error {
	have, err := c.current()
	if err != nil {
		return err
	}
	if have.owner != 0 && have.owner != c.port {
		return fmt.Errorf("table inet %s belongs to another process (netlink port %d)", TableName, have.owner)
	}
	next := c.stateOf(want)
	t := ourTable(c.flags)
	if want == nil {
		if !have.exists {
			return nil
		}
		c.nft.DelTable(t)
	} else {
		ch := have.changes(want, next)
		if ch.empty() {
			return nil
		}
		if err := ch.queue(c.nft, t); err != nil {
			return errors.Join(err, c.nft.Flush()) // sends nothing, forgets the batch
		}
	}
	return c.commit(next)
}

// commit sends the batch, for the generation that it was made from.
func (c *Conn) commit(next *state) error {
	err := c.nft.FlushWithGenID(c.gen)
	switch {
	case errors.Is(err, unix.ERESTART):
		return errChanged
	case err != nil:
		return batchError(err)
	}
	c.known = next
	c.gen = max(c.gen+1, 1) // 0 is left out by the kernel too
	return nil
}

// current returns what our table holds, and sets the generation that it holds
// it in.
func (c *Conn) current() (*state, error) {
	gen, err := c.generation()
	if err != nil {
		return nil, err
	}
	if c.known != nil && gen == c.gen {
		return c.known, nil
	}
	have, err := c.observe(gen)
	if err != nil {
		return nil, err
	}
	c.known, c.gen = have, gen
	return have, nil
}

// stateOf is the state that our table is in after t was applied.
func (c *Conn) stateOf(t *table) *state {
	s := stateOf(t)
	if t != nil {
		s.flags = c.flags
	}
	if s.flags&nftables.TableFlagOwner != 0 {
		s.owner = c.port
	}
	return s
}

// Drifted says whether the kernel's table is not what Apply left there; never
// before the first Apply. As long as nobody has changed any table it costs one
// small request.
func (c *Conn) Drifted(ctx context.Context) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.applied {
		return false, nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return false, fmt.Errorf("compare the nftables rules: %w", err)
		}
		have, err := c.current()
		if errors.Is(err, errChanged) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("compare the nftables rules: %w", err)
		}
		if c.want == nil {
			return have.exists, nil
		}
		return !have.changes(c.want, c.stateOf(c.want)).empty(), nil
	}
}
