package lease

import "errors"

// TakeOver makes the table hold the leases that another server gave while it
// served the network, and waits until that is on disk. The other server is
// right: a lease of ours that stands in the way of one of its ends. It returns
// how many were not known.
func (t *Table) TakeOver(leases []Lease) (int, error) {
	var errs []error
	done := make(chan error, 1)
	changed := 0
	for _, l := range leases {
		have, taken := t.Lookup(l.Addr)
		same := taken && have.sameClient(l)
		if same && (have.Expiry.Equal(l.Expiry) && have.Hostname == l.Hostname) {
			continue
		}
		if taken && !same {
			t.Release(l.Addr, func(error) {}) // on disk before the next one
		}
		if err := t.Bind(l, func(err error) { done <- err }); err != nil {
			errs = append(errs, err)
			continue
		}
		if err := <-done; err != nil {
			errs = append(errs, err)
			continue
		}
		changed++
	}
	return changed, errors.Join(errs...)
}

// sameClient tells whether two leases are of one client.
func (l Lease) sameClient(other Lease) bool {
	return newRecord(l, false).client == newRecord(other, false).client
}
