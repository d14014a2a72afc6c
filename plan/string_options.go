package plan

import (
	"fmt"
	"strings"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
)

// dhcpOptions prints what only options of the dnsmasq namespace can say.
func (w *lines) dhcpOptions(c *dhcpd.Config4) {
	w.dhcpRules(&c.Rules)
	w.when(c.NoProbe, "  offers without probing")
	w.when(c.LogRequests, "  logs requests")
	w.when(c.OneClient, "  clones are one client")
	w.when(c.Unshared, "  one port may have all addresses")
}

func (w *lines) dhcpRules(r *dhcpd.Rules) {
	for _, m := range r.Matches {
		w.line("  tag %s %s", m.Tag, matchText(m))
	}
	for _, t := range r.TagIfs {
		w.line("  tag %s%s", strings.Join(t.Tags, " "), conditionText(t.If))
	}
	for _, o := range r.Options {
		w.line("  option %d %s%s", o.Code, optionText(&o), conditionText(o.If))
	}
	for _, b := range r.Boots {
		server := ""
		if b.Server.IsValid() {
			server = " from " + b.Server.String()
		}
		w.line("  boot %q %q%s%s", b.File, b.ServerName, server, conditionText(b.If))
	}
	for _, cond := range r.Ignore {
		w.line("  ignores clients%s", conditionText(cond))
	}
	for _, cond := range r.IgnoreNames {
		w.line("  ignores names%s", conditionText(cond))
	}
	for _, cond := range r.Broadcast {
		w.line("  broadcasts replies%s", conditionText(cond))
	}
}

func optionText(o *dhcpd.OptionRule) string {
	text := fmt.Sprintf("%x", o.Value)
	for _, n := range o.Servers {
		if n.Name != nil {
			text += fmt.Sprintf(" server %q", n.Name)
		} else {
			text += " server " + n.Addr.String()
		}
	}
	if o.Force {
		text += " forced"
	}
	if o.Inside != 0 {
		text += fmt.Sprintf(" in option %d", o.Inside)
	}
	if o.ByVendor {
		text += fmt.Sprintf(" of vendor %q", o.Vendor)
	}
	return text
}

func conditionText(c dhcpd.Condition) string {
	if len(c) == 0 {
		return ""
	}
	return " if " + strings.Join(c, " ")
}

func matchText(m dhcpd.Match) string {
	switch {
	case m.MAC != nil:
		var bytes []string
		for _, b := range m.MAC {
			if b.Any {
				bytes = append(bytes, "*")
			} else {
				bytes = append(bytes, fmt.Sprintf("%02x", b.Value))
			}
		}
		return "if mac " + strings.Join(bytes, ":")
	case m.Name != "":
		return "if name " + m.Name
	case len(m.Value) == 0:
		return fmt.Sprintf("if option %d", m.Option)
	}
	return fmt.Sprintf("if option %d has %x", m.Option, m.Value)
}

// dnsOptions prints what only options of the dnsmasq namespace can say.
func (w *lines) dnsOptions(c *dns.Config) {
	for _, a := range c.Addresses {
		w.line("  address of %s %s", a.Domain, a.Addr)
	}
	for _, n := range c.CNAMEs {
		w.line("  alias %s of %s", n.Name, n.Target)
	}
	for _, r := range c.Records {
		w.line("  record %s type %d %x %s", r.Name, r.Type, r.Data, r.Target)
	}
	for _, z := range c.Zones {
		w.line("  zone %s of %s ttl %d", z.Domain, z.Server, z.TTL)
	}
	for _, f := range c.HostsFiles {
		w.line("  hosts file %s", f)
	}
	w.when(c.NoHosts, "  without the host's hosts file")
	w.when(c.PrivateReverse, "  private reverse names are not forwarded")
	w.when(c.LocalTTL != 0, "  local ttl %d", c.LocalTTL)
	if shape := fmt.Sprintf("%+v", c.Shaping); shape != fmt.Sprintf("%+v", dns.Shaping{}) {
		w.line("  answers %s", shape)
	}
	w.when(c.QueryRate != 0, "  at most %d forwarded queries a second for each guest", c.QueryRate)
	w.when(c.LogQueries, "  logs queries")
}
