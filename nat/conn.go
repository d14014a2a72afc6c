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
	family nftables.TableFamily // of our table
	flags  nftables.TableFlags  // what it is made with

	mu    sync.Mutex     // guards what follows
	write *netlink.Conn  // sends batches, and owns the table
	read  *netlink.Conn  // asks
	nft   *nftables.Conn // asks what the library can decode
	// known is what the table holds as of a generation, nil if that is to be
	// read from the kernel. As the kernel counts every change by anyone, and
	// takes ours only if made for the current generation, it is never stale.
	known *state
	gen   uint32
	// want is the last table that was applied, nil for none, and left what was
	// known to be in the kernel then; nil before the first time.
	want *table
	left *state
}

// Open opens a connection to nftables in the calling thread's network
// namespace and learns what the kernel can do. It needs CAP_NET_ADMIN and a
// kernel with nf_tables.
func Open() (*Conn, error) {
	return openFamily(nftables.TableFamilyINet)
}

func openFamily(f nftables.TableFamily) (*Conn, error) {
	c := &Conn{family: f}
	if err := c.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open nftables: %w", err), c.Close())
	}
	return c, nil
}

func (c *Conn) open() error {
	var err error
	if c.read, err = netlink.Dial(unix.NETLINK_NETFILTER, nil); err != nil {
		return openError(err)
	}
	// Before anything else, as the answer tells permission from support.
	if _, err := c.generation(); err != nil {
		return openError(err)
	}
	if c.write, err = netlink.Dial(unix.NETLINK_NETFILTER, nil); err != nil {
		return err
	}
	const room = 64 << 20 // for thousands of networks; a limit, not an allocation
	if err := errors.Join(c.write.SetReadBuffer(room), c.write.SetWriteBuffer(room)); err != nil {
		return err
	}
	if c.nft, err = nftables.New(nftables.AsLasting()); err != nil {
		return err
	}
	return c.probe()
}

// probe finds out whether tables can have an owner and outlive it, by making
// and deleting one in the same transaction.
func (c *Conn) probe() error {
	const guarded = nftables.TableFlagOwner | nftables.TableFlagPersist
	b := c.newBatch(TableName + "-probe")
	b.addTable(guarded)
	b.delTable()
	switch err := b.send(c.write, 0); {
	case err == nil:
		c.flags = guarded
	case !errors.Is(err, unix.EOPNOTSUPP):
		return openError(err)
	}
	return nil
}

// Close ends the connection. The table stays.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	if c.nft != nil {
		errs = append(errs, c.nft.CloseLasting())
	}
	for _, nl := range []*netlink.Conn{c.write, c.read} {
		if nl != nil {
			errs = append(errs, nl.Close())
		}
	}
	return errors.Join(errs...)
}

// Apply makes the kernel's table that of rs, in one transaction: base chains
// and maps where they are missing, and the parts of those networks that
// differ; without networks the table goes. When it fails nothing has changed,
// and the error names the network if it is one network's part that the kernel
// refuses. A masquerade port range that libvirt refuses is a [PortRangeError].
func (c *Conn) Apply(ctx context.Context, rs Ruleset) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	want, err := compile(rs, c.want)
	if err != nil {
		return err
	}
	return c.applyTable(ctx, want)
}

// applyTable makes the kernel's table want, nil for none; c.mu is held.
func (c *Conn) applyTable(ctx context.Context, want *table) (err error) {
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
		return fmt.Errorf("apply the nftables rules: %w", err)
	}
	c.want, c.left = want, c.known
	return nil
}

// newBatch begins a transaction on one of our family's tables.
func (c *Conn) newBatch(table string) tableBatch {
	return tableBatch{batch: batch{family: byte(c.family)}, table: table}
}

// apply makes one attempt; errChanged asks for another.
func (c *Conn) apply(want *table) error {
	have, err := c.current()
	if err != nil {
		return err
	}
	if have.owner != 0 && have.owner != c.write.PID() {
		return fmt.Errorf("table %s %s belongs to another process (netlink port %d)", familyName(c.family), TableName, have.owner)
	}
	next := c.stateOf(want)
	b := c.newBatch(TableName)
	switch {
	case want == nil && have.exists:
		b.delTable()
	case want != nil:
		if ch := have.changes(want, next); !ch.empty() {
			b.change(ch, c.flags)
		}
	}
	if len(b.msgs) == 0 {
		return nil
	}
	switch err := b.send(c.write, c.gen); {
	case errors.Is(err, unix.ERESTART):
		return errChanged
	case err != nil:
		return batchError(err)
	}
	c.known = next
	c.gen = max(c.gen+1, 1) // the kernel leaves out 0 as well
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
		s.owner = c.write.PID()
	}
	return s
}

// Drifted says whether the kernel's table is not what Apply left there; never
// before the first Apply. As long as nobody has changed any table it costs one
// small request.
func (c *Conn) Drifted(ctx context.Context) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == nil {
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
		return c.differs(have), nil
	}
}

// differs says whether the table is not as Apply left it.
func (c *Conn) differs(have *state) bool {
	switch {
	case have == c.left:
		return false
	case c.want == nil:
		return have.exists
	}
	return !have.changes(c.want, c.stateOf(c.want)).empty()
}
