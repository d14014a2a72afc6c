package lease

// op is a change of one table that reaches the disk whole or not at all.
type op struct {
	table *Table // nil: a network is dropped
	first edit
	more  []edit // what other addresses it changes
	done  func(error)
}

// edit is what an op does to one address.
type edit struct {
	slot  *slot
	after *record // nil: nothing is known of the address any more
	seq   uint64
}

func (o *op) add(e edit) {
	if o.first.slot == nil {
		o.first = e
	} else {
		o.more = append(o.more, e)
	}
}

// each calls f with every edit.
func (o *op) each(f func(edit)) {
	if o.first.slot != nil {
		f(o.first)
	}
	for _, e := range o.more {
		f(e)
	}
}

// appendFrames appends the op's records to b.
func (o *op) appendFrames(b []byte) []byte {
	o.each(func(e edit) {
		b = appendFrame(b, e.entry(o.table.network))
	})
	return b
}

func (e edit) entry(network string) entry {
	if e.after == nil {
		return entry{kind: forgetRecord, network: network, lease: Lease{Addr: e.slot.addr}}
	}
	return entry{kind: putRecord, network: network, lease: e.after.Lease}
}

// commit sends an op to disk, in the order of the calls. The table is locked.
func (t *Table) commit(o op) {
	if t.store != nil {
		t.store.enqueue(o)
		return
	}
	t.settle(&o, nil)
	if o.done != nil {
		o.done(nil)
	}
}

// settle makes o lasting, or with an error takes it back. The table is
// locked.
func (t *Table) settle(o *op, err error) {
	o.each(func(e edit) {
		e.slot.pending--
		if err == nil {
			t.makeDurable(e)
		} else if e.slot.seq == e.seq {
			t.set(e.slot, e.slot.durable)
		}
		t.tidy(e.slot)
	})
}

func (t *Table) makeDurable(e edit) {
	s := e.slot
	before := s.durable
	s.durable = e.after
	t.order(s)
	switch gone := !e.after.live(); {
	case gone && before.live():
		t.publish(Released, &before.Lease)
	case gone:
	case before.live() && before.client == e.after.client:
		t.publish(Renewed, &e.after.Lease)
	default:
		t.publish(Added, &e.after.Lease)
	}
}

// order notes that s is the latest to have changed on disk.
func (t *Table) order(s *slot) {
	t.orders++
	s.order = t.orders
}
