package nat

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// openError adds to the kernel's short answer what is missing.
func openError(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("the capability CAP_NET_ADMIN is missing: %w", err)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP),
		errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("the kernel has no nf_tables (module nf_tables, CONFIG_NF_TABLES): %w", err)
	}
	return err
}

// batchError is the same for a batch, whose parts may need further modules.
func batchError(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("the capability CAP_NET_ADMIN is missing, or another program owns the table: %w", err)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("the kernel lacks a part of nf_tables (inet tables, nat, masq, reject, ct): %w", err)
	}
	return err
}
