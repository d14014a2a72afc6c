// Package tftp serves the files that guests boot from: a directory, for
// reading, by TFTP (RFC 1350) with the options blksize, timeout, tsize and
// windowsize (RFC 2347 to 2349, RFC 7440).
package tftp

import "net/netip"

// Config is one network's boot files.
type Config struct {
	Link  string       // the bridge
	Addrs []netip.Addr // where to listen, the bridge's
	// Root is the directory. Its files that everybody may read are served, and
	// nothing outside it, whatever links to there.
	Root string
	// FixedBlock answers no request for another block size than 512 bytes.
	FixedBlock bool
}
