package metrics

import (
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/radv"
	"github.com/vnetmgr/vnetmgr/tftp"
)

var (
	networkActive = gauge("network_active", "1 if the network is active.", "network", "bridge")
	networkPorts  = gauge("network_ports", "What is connected to the network, as its XML counts it.", "network")

	poolSize  = gauge("dhcp_pool_addresses", "Addresses for clients without a reservation.", "network", "family")
	poolTaken = gauge("dhcp_pool_taken_addresses", "Those that no other client can get now.", "network", "family")

	dhcpRequests = counter("dhcp_requests_total", "Messages of clients.", "network", "family", "type")
	dhcpReplies  = counter("dhcp_replies_total", "Messages to clients.", "network", "family", "type")

	upstreamQueries  = counter("dns_upstream_queries_total", "Queries that the server was sent.", "server")
	upstreamFailures = counter("dns_upstream_failures_total", "Those of them that it did not answer.", "server")
)

func dhcpCounter(name, help string) metric[uint64] {
	return counter("dhcp_"+name+"_total", help, "network", "family")
}

var dhcpMetrics = []sender[dhcpd.Counts]{
	counts(dhcpCounter("received", "Packets to the server's port."), func(c dhcpd.Counts) uint64 { return c.Received }),
	counts(dhcpCounter("malformed", "Packets that were no message of a client."), func(c dhcpd.Counts) uint64 { return c.Malformed }),
	counts(dhcpCounter("dropped", "Messages not looked at because too many waited."), func(c dhcpd.Counts) uint64 { return c.Dropped }),
	counts(dhcpCounter("sent", "Replies."), func(c dhcpd.Counts) uint64 { return c.Sent }),
	counts(dhcpCounter("unwritten", "Replies not sent because a lease could not be written."), func(c dhcpd.Counts) uint64 { return c.Unwritten }),
	counts(dhcpCounter("probes", "Addresses asked for on the link before they were offered."), func(c dhcpd.Counts) uint64 { return c.Probes }),
	counts(dhcpCounter("conflicts", "Addresses found in use by somebody without a lease."), func(c dhcpd.Counts) uint64 { return c.Conflicts }),
	counts(dhcpCounter("exhausted", "Requests for an address when none was left."), func(c dhcpd.Counts) uint64 { return c.Exhausted }),
	counts(dhcpCounter("limited", "Requests for an address by a bridge port that has its share."), func(c dhcpd.Counts) uint64 { return c.Limited }),
	counts(dhcpCounter("clones", "Clients told apart from another with their identifier."), func(c dhcpd.Counts) uint64 { return c.Clones }),
}

func raCounter(name, help string) metric[uint64] {
	return counter("ra_"+name+"_total", help, "network")
}

var raMetrics = []sender[radv.Stats]{
	counts(raCounter("solicitations", "Valid router solicitations."), func(s radv.Stats) uint64 { return s.Solicited }),
	counts(raCounter("answers", "Advertisements to the one who asked."), func(s radv.Stats) uint64 { return s.Answered }),
	counts(raCounter("multicasts", "Advertisements to all."), func(s radv.Stats) uint64 { return s.ToAll }),
	counts(raCounter("failures", "Advertisements that could not be sent."), func(s radv.Stats) uint64 { return s.Failed }),
}

func dnsCounter(name, help string) metric[uint64] {
	return counter("dns_"+name+"_total", help, "network")
}

var dnsMetrics = []sender[dns.Stats]{
	counts(dnsCounter("queries", "Queries over UDP and TCP."), func(s dns.Stats) uint64 { return s.Queries }),
	counts(dnsCounter("tcp_queries", "Queries over TCP."), func(s dns.Stats) uint64 { return s.TCPQueries }),
	counts(dnsCounter("malformed", "Queries refused before their question counted."), func(s dns.Stats) uint64 { return s.Malformed }),
	counts(dnsCounter("local", "Queries answered from what the network and the host know."), func(s dns.Stats) uint64 { return s.Local }),
	counts(dnsCounter("cache_hits", "Queries answered from the cache."), func(s dns.Stats) uint64 { return s.CacheHits }),
	counts(dnsCounter("cache_misses", "Queries that needed an upstream."), func(s dns.Stats) uint64 { return s.CacheMisses }),
	counts(dnsCounter("limited", "Queries refused because the client was beyond its share."), func(s dns.Stats) uint64 { return s.RateLimited }),
	counts(dnsCounter("nxdomain", "Answers that there is no such name."), func(s dns.Stats) uint64 { return s.NXDomain }),
	counts(dnsCounter("servfail", "Answers that no upstream answered."), func(s dns.Stats) uint64 { return s.ServFail }),
	counts(dnsCounter("refused", "Answers that refuse, whatever for."), func(s dns.Stats) uint64 { return s.Refused }),
	counts(dnsCounter("rebinding", "Answers emptied because they led to a private address."), func(s dns.Stats) uint64 { return s.Rebinding }),
}

var resolverMetrics = []sender[dns.ResolverStats]{
	holds(gauge("dns_cache_entries", "Answers in the cache of all networks."), func(s dns.ResolverStats) int { return s.CacheEntries }),
	holds(gauge("dns_cache_bytes", "The cache's size, as its bound counts it."), func(s dns.ResolverStats) int { return s.CacheBytes }),
	counts(counter("dns_cache_evicted_total", "Answers that left the cache before their time."), func(s dns.ResolverStats) uint64 { return s.CacheEvicted }),
}

func tftpCounter(name, help string) metric[uint64] {
	return counter("tftp_"+name+"_total", help, "network")
}

var tftpMetrics = []sender[tftp.Stats]{
	counts(tftpCounter("requests", "Requests to read or write."), func(s tftp.Stats) uint64 { return s.Requests }),
	counts(tftpCounter("files", "Files sent."), func(s tftp.Stats) uint64 { return s.Sent }),
	counts(tftpCounter("refused", "Requests refused."), func(s tftp.Stats) uint64 { return s.Refused }),
	counts(tftpCounter("failed", "Files begun and not taken to the end."), func(s tftp.Stats) uint64 { return s.Failed }),
	counts(tftpCounter("bytes", "Bytes of packets with data or options."), func(s tftp.Stats) uint64 { return s.Bytes }),
}
