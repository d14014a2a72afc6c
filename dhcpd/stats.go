package dhcpd

import (
	"sync/atomic"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
)

// Counts are what a server of either family counted since it was made.
type Counts struct {
	Received  uint64 // packets to the server's port
	Malformed uint64 // of these, what was no message of a client
	Dropped   uint64 // messages not looked at because too many waited
	Sent      uint64 // replies
	Unwritten uint64 // replies not sent because a lease could not be written

	Probes    uint64 // addresses asked for on the link
	Conflicts uint64 // addresses found in use by somebody without a lease
	Exhausted uint64 // requests for an address when none was left
	Limited   uint64 // requests for an address by a bridge port that has its share
	Clones    uint64 // clients told apart from another with their identifier
}

// Stats4 counts what a DHCPv4 server did. A reply is counted once it is
// decided on, also if Unwritten counts it, too.
type Stats4 struct {
	Counts
	// What clients asked.
	Discovers, Requests, Declines, Releases, Informs, BOOTP uint64
	// What they were told; BOOTPReplies to those that know no DHCP.
	Offers, Acks, Naks, BOOTPReplies uint64
}

// Stats6 counts what a DHCPv6 server did. A reply is counted once it is
// decided on, also if Unwritten counts it, too.
type Stats6 struct {
	Counts
	// What clients asked.
	Solicits, Requests, Confirms, Renews, Rebinds, Releases, Declines, Informs uint64
	// What they were told.
	Advertises, Replies uint64
}

// counters are what both servers count.
type counters struct {
	received, malformed, dropped, sent, unwritten   atomic.Uint64
	probes, conflicts, exhausted, limited, clonings atomic.Uint64
	asked, said                                     kinds
}

// kinds counts messages by kind.
type kinds [16]atomic.Uint64

func (k *kinds) add(kind uint8) {
	if int(kind) < len(k) {
		k[kind].Add(1)
	}
}

func (c *counters) load() Counts {
	return Counts{
		Received: c.received.Load(), Malformed: c.malformed.Load(), Dropped: c.dropped.Load(),
		Sent: c.sent.Load(), Unwritten: c.unwritten.Load(),
		Probes: c.probes.Load(), Conflicts: c.conflicts.Load(),
		Exhausted: c.exhausted.Load(), Limited: c.limited.Load(), Clones: c.clonings.Load(),
	}
}

// Stats returns the counters.
func (s *Server4) Stats() Stats4 {
	asked := func(k dhcpv4.MessageType) uint64 { return s.counts.asked[k].Load() }
	said := func(k dhcpv4.MessageType) uint64 { return s.counts.said[k].Load() }
	return Stats4{
		Counts:    s.counts.load(),
		Discovers: asked(dhcpv4.MessageTypeDiscover), Requests: asked(dhcpv4.MessageTypeRequest),
		Declines: asked(dhcpv4.MessageTypeDecline), Releases: asked(dhcpv4.MessageTypeRelease),
		Informs: asked(dhcpv4.MessageTypeInform), BOOTP: asked(dhcpv4.MessageTypeNone),
		Offers: said(dhcpv4.MessageTypeOffer), Acks: said(dhcpv4.MessageTypeAck),
		Naks: said(dhcpv4.MessageTypeNak), BOOTPReplies: said(dhcpv4.MessageTypeNone),
	}
}

// Stats returns the counters.
func (s *Server6) Stats() Stats6 {
	asked := func(k dhcpv6.MessageType) uint64 { return s.counts.asked[k].Load() }
	said := func(k dhcpv6.MessageType) uint64 { return s.counts.said[k].Load() }
	return Stats6{
		Counts:   s.counts.load(),
		Solicits: asked(dhcpv6.MessageTypeSolicit), Requests: asked(dhcpv6.MessageTypeRequest),
		Confirms: asked(dhcpv6.MessageTypeConfirm), Renews: asked(dhcpv6.MessageTypeRenew),
		Rebinds: asked(dhcpv6.MessageTypeRebind), Releases: asked(dhcpv6.MessageTypeRelease),
		Declines: asked(dhcpv6.MessageTypeDecline), Informs: asked(dhcpv6.MessageTypeInformationRequest),
		Advertises: said(dhcpv6.MessageTypeAdvertise), Replies: said(dhcpv6.MessageTypeReply),
	}
}
