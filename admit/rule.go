package admit

import (
	"fmt"
	"math"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// rule is one of ours: what is empty in it matters not.
type rule struct {
	in, out string // links; with a "+" at the end all that begin so
	proto   string
	port    uint16
	// decline leaves the packet to whoever comes next, rather than accept it.
	decline bool
}

// dockers are the names that Docker gives its bridges. Guests get to
// containers as far as Docker lets them.
var dockers = []string{"docker+", "br-+"}

// rules are what a place needs for the networks.
func (p place) rules(networks []Network) []rule {
	if p.base == input {
		return p.services(networks)
	}
	var to, from []rule
	for _, n := range networks {
		if n.Forwards {
			to = append(to, rule{out: n.Bridge})
			from = append(from, rule{in: n.Bridge})
		}
	}
	if len(to) == 0 {
		return nil
	}
	// Ours first, for they may be called like Docker's.
	for _, name := range dockers {
		to = append(to, rule{out: name, decline: true})
	}
	return append(to, from...)
}

func (p place) services(networks []Network) []rule {
	var rules []rule
	for _, n := range networks {
		for _, s := range n.Services {
			other := s.IPv6
			if p.family == nftables.TableFamilyIPv6 {
				other = s.IPv4
			}
			if !other {
				rules = append(rules, rule{in: n.Bridge, proto: s.Proto, port: s.Port})
			}
		}
	}
	return rules
}

// prefix begins the comments of our rules, and of no others.
const prefix = "vnetmgr: "

// comment says all that the rule does: two with the same are the same.
func (r rule) comment() string {
	var words []string
	if r.in != "" {
		words = append(words, "from "+r.in)
	}
	if r.out != "" {
		words = append(words, "to "+r.out)
	}
	if r.proto != "" {
		words = append(words, fmt.Sprintf("%s %d", r.proto, r.port))
	}
	if r.decline {
		words = append(words, "as it comes")
	}
	return prefix + strings.Join(words, " ")
}

func (r rule) userData() []byte { return userdata.AppendString(nil, userdata.TypeComment, r.comment()) }

// mark is the comment of a rule if that is one of ours, else "". A rule that
// was saved and restored has it as a match.
func mark(r *nftables.Rule) string {
	text, _ := userdata.GetString(r.UserData, userdata.TypeComment)
	for _, e := range r.Exprs {
		if m, ok := e.(*expr.Match); ok && m.Name == "comment" {
			if info, ok := m.Info.(*xt.Comment); ok {
				text = string(*info)
			}
		}
	}
	text = strings.TrimRight(text, "\x00")
	if !strings.HasPrefix(text, prefix) {
		return ""
	}
	return text
}

// exprs is the rule as iptables makes it.
func (r rule) exprs() []expr.Any {
	var all []expr.Any
	all = append(all, link(expr.MetaKeyIIFNAME, r.in)...)
	all = append(all, link(expr.MetaKeyOIFNAME, r.out)...)
	all = append(all, service(r.proto, r.port)...)
	verdict := expr.VerdictAccept
	if r.decline {
		verdict = expr.VerdictReturn
	}
	return append(all, &expr.Counter{}, &expr.Verdict{Kind: verdict})
}

// link matches the name of a link, or how it begins.
func link(key expr.MetaKey, name string) []expr.Any {
	if name == "" {
		return nil
	}
	data := append([]byte(name), 0)
	if begin, ok := strings.CutSuffix(name, "+"); ok {
		data = []byte(begin)
	}
	return []expr.Any{
		&expr.Meta{Key: key, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: data},
	}
}

// service matches a protocol and a port of it. The port is matched by iptables'
// own module: its older versions do not know nftables' way in a rule, and would
// save the rule without a port.
func service(proto string, port uint16) []expr.Any {
	all, ports := [2]uint16{0, math.MaxUint16}, [2]uint16{port, port}
	var number byte
	var match *expr.Match
	switch proto {
	case "tcp":
		number, match = unix.IPPROTO_TCP, &expr.Match{Name: "tcp", Info: &xt.Tcp{SrcPorts: all, DstPorts: ports}}
	case "udp":
		number, match = unix.IPPROTO_UDP, &expr.Match{Name: "udp", Info: &xt.Udp{SrcPorts: all, DstPorts: ports}}
	default:
		return nil
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{number}},
		match,
	}
}
