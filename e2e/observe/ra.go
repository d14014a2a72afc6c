package observe

import "strings"

// advertisement asks for a router with rdisc6, and writes down what it prints.
func (o *observer) advertisement() {
	s := o.report.add("router advertisement")
	tries := "1"
	if o.hasIPv6() {
		tries = "20" // dnsmasq needs its time after a bridge has its first guest
	}
	out := o.guest.Run(o.t, "rdisc6", "-1", "-r", tries, "-w", "1000", "eth0").Stdout
	at := strings.Index(out, "Hop limit")
	if at < 0 {
		s.line("none")
		return
	}
	for line := range strings.Lines(out[at:]) {
		key, value, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found {
			s.line("%s", strings.TrimSpace(line))
			continue
		}
		s.line("%s: %s", strings.TrimSpace(key), strings.TrimSpace(value))
	}
}

func (o *observer) hasIPv6() bool {
	for _, ip := range o.Network.IPs {
		if ip.Prefix.Addr().Is6() {
			return true
		}
	}
	return false
}
