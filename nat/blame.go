package nat

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// kernelError adds what is missing to the kernel's short answer.
func kernelError(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("the capability CAP_NET_ADMIN is missing: %w", err)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
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
		return fmt.Errorf("the kernel lacks a part of nf_tables (families inet, nat, masq, reject, ct): %w", err)
	}
	return err
}

// blame names the network whose part the kernel refuses. The kernel says only
// which message of a batch it refused, and the batch is one for all networks:
// so each network is tried alone, in a table that is gone with the same
// transaction. An error that is no network's is returned as it is.
func (c *Conn) blame(rs Ruleset, err error) error {
	if errors.Is(err, unix.EPERM) {
		return err
	}
	for _, n := range sorted(rs.Networks) {
		if alone := c.try(n); alone != nil {
			return fmt.Errorf("rules of network %s: %w", n.Name, err)
		}
	}
	return err
}

// try says whether the kernel takes a network's part.
func (c *Conn) try(n Network) error {
	want, err := compile(Ruleset{Networks: []Network{n}})
	if err != nil {
		return err
	}
	t := &nftables.Table{Name: TableName + "-try", Family: unix.NFPROTO_INET}
	err = (&state{}).changes(want, stateOf(want)).queue(c.nft, t)
	c.nft.DelTable(t)
	return errors.Join(err, c.nft.Flush())
}
