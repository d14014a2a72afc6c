package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/tftp"
)

// collector turns a snapshot into metrics. It describes none beforehand: which
// there are depends on the networks.
type collector struct {
	stats func() network.Stats
}

// Describe is for prometheus.Collector.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect is for prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	s := c.stats()
	for _, n := range s.Networks {
		collectNetwork(to, n)
	}
	collectResolver(to, s.Resolver)
}

func collectNetwork(to chan<- prometheus.Metric, n network.NetworkStats) {
	active := 0
	if n.Active {
		active = 1
	}
	networkActive.send(to, active, n.Name, n.Bridge)
	networkPorts.send(to, n.Ports, n.Name)
	if n.DHCP4 != nil {
		collectPool(to, n.Pool4, n.Name, "4")
		collectDHCP(to, n.DHCP4.Counts, n.Name, "4")
		collectMessages(to, messages4(n.DHCP4), n.Name, "4")
	}
	if n.DHCP6 != nil {
		collectPool(to, n.Pool6, n.Name, "6")
		collectDHCP(to, n.DHCP6.Counts, n.Name, "6")
		collectMessages(to, messages6(n.DHCP6), n.Name, "6")
	}
	if n.RA != nil {
		sendAll(to, raMetrics, *n.RA, n.Name)
	}
	if n.DNS != nil {
		sendAll(to, dnsMetrics, *n.DNS, n.Name)
	}
	if len(n.TFTP) > 0 {
		sendAll(to, tftpMetrics, sumTFTP(n.TFTP), n.Name)
	}
}

func collectPool(to chan<- prometheus.Metric, u network.PoolUse, name, family string) {
	poolSize.send(to, u.Size, name, family)
	poolTaken.send(to, u.Taken, name, family)
}

func collectDHCP(to chan<- prometheus.Metric, c dhcpd.Counts, name, family string) {
	sendAll(to, dhcpMetrics, c, name, family)
}

// messages are DHCP messages by type, as they were received and answered.
type messages struct {
	received, sent map[string]uint64
}

func messages4(s *dhcpd.Stats4) messages {
	return messages{
		received: map[string]uint64{
			"discover": s.Discovers, "request": s.Requests, "decline": s.Declines, "release": s.Releases,
			"inform": s.Informs, "bootp": s.BOOTP,
		},
		sent: map[string]uint64{"offer": s.Offers, "ack": s.Acks, "nak": s.Naks, "bootp": s.BOOTPReplies},
	}
}

func messages6(s *dhcpd.Stats6) messages {
	return messages{
		received: map[string]uint64{
			"solicit": s.Solicits, "request": s.Requests, "confirm": s.Confirms, "renew": s.Renews, "rebind": s.Rebinds,
			"release": s.Releases, "decline": s.Declines, "information-request": s.Informs,
		},
		sent: map[string]uint64{"advertise": s.Advertises, "reply": s.Replies},
	}
}

func collectMessages(to chan<- prometheus.Metric, m messages, name, family string) {
	for kind, n := range m.received {
		dhcpRequests.send(to, n, name, family, kind)
	}
	for kind, n := range m.sent {
		dhcpReplies.send(to, n, name, family, kind)
	}
}

func sumTFTP(servers []tftp.Stats) (sum tftp.Stats) {
	for _, s := range servers {
		sum.Requests += s.Requests
		sum.Sent += s.Sent
		sum.Refused += s.Refused
		sum.Failed += s.Failed
		sum.Bytes += s.Bytes
	}
	return sum
}

func collectResolver(to chan<- prometheus.Metric, s dns.ResolverStats) {
	sendAll(to, resolverMetrics, s)
	for _, u := range s.Upstreams {
		upstreamQueries.send(to, u.Queries, u.Addr.String())
		upstreamFailures.send(to, u.Failures, u.Addr.String())
	}
}

// metric is one that does not come from a table.
type metric[N int | uint64] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) metric[int] {
	return metric[int]{prometheus.NewDesc("vnetmgr_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) metric[uint64] {
	return metric[uint64]{prometheus.NewDesc("vnetmgr_"+name, help, labels, nil), prometheus.CounterValue}
}

// send sends a value. What is no UTF-8 in a label is escaped, as it would be
// refused.
func (m metric[N]) send(to chan<- prometheus.Metric, n N, labels ...string) {
	for i, l := range labels {
		labels[i] = printable(l)
	}
	to <- prometheus.MustNewConstMetric(m.desc, m.kind, float64(n), labels...)
}

// printable escapes what a label cannot have.
func printable(s string) string {
	for _, r := range s {
		if r == '\uFFFD' {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

// row is a metric that is a field of S.
type row[S any, N int | uint64] struct {
	metric[N]
	value func(S) N
}

// sender is a row of any number.
type sender[S any] interface {
	sendOf(to chan<- prometheus.Metric, s S, labels ...string)
}

func (r row[S, N]) sendOf(to chan<- prometheus.Metric, s S, labels ...string) {
	r.send(to, r.value(s), labels...)
}

func sendAll[S any](to chan<- prometheus.Metric, rows []sender[S], s S, labels ...string) {
	for _, r := range rows {
		r.sendOf(to, s, labels...)
	}
}

// counts is a row for a table.
func counts[S any](m metric[uint64], value func(S) uint64) sender[S] {
	return row[S, uint64]{m, value}
}

// holds is a row for a table.
func holds[S any](m metric[int], value func(S) int) sender[S] {
	return row[S, int]{m, value}
}
