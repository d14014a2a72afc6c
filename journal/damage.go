package journal

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
)

// ErrDamaged is returned once the file turned out not to be readable. It was
// moved aside then; the next Open begins anew.
var ErrDamaged = errors.New("lease journal is damaged")

// damagedSuffix is added to the name of a file that was moved aside.
const damagedSuffix = ".damaged"

// guarded calls f, and has its panics as errors: the library takes what is in
// the file for granted, and panics, or reads beyond the file's end, where that
// is not so.
func guarded(f func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(before)
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, why)
		}
	}()
	return f()
}

// transact runs f in a transaction of begin's. A file that proves to be damaged
// is moved aside and not used again.
func (j *Journal) transact(begin func(func(*bolt.Tx) error) error, f func(*bolt.Tx) error) error {
	err := guarded(func() error { return begin(f) })
	if errors.Is(err, ErrDamaged) && j.end(err) {
		return errors.Join(err, os.Rename(j.path, j.path+damagedSuffix))
	}
	return err
}
