// Package nat keeps the nftables rules of all active networks: forwarding,
// filtering and address translation.
//
// A [Ruleset] says what should be; it is compiled, without I/O, to one table
// "inet vnetmgr" that [Ruleset.String] prints and [Conn.Apply] makes so. One
// inet table rather than libvirt's two (ip and ip6), as a network is one thing
// and changes in one place; reject means icmpx port-unreachable there, which
// is what libvirt's plain reject sends in either family.
//
// # What a packet meets
//
// The cost of a packet does not depend on the number of networks: base chains
// only look it up, and each network has chains of its own.
//
//	forward      iifname vmap @guest_output    the network it comes from
//	             oifname vmap @guest_input     the network it goes to
//	postrouting  ip saddr vmap @guest_nat      first packet of a flow only
//	             ip6 saddr vmap @guest_nat6
//
// A packet that is none of ours leaves after these. The rules in the networks'
// chains are those of libvirt 11's nftables backend, with one order of our
// own. libvirt asks the receiving network first and takes its accept as final,
// so that guests of an isolated network, guests with a forged source address,
// and guests of a network bound to one dev can all send to a route network,
// though the answers are refused. Here the sending network is asked first,
// whose yes is a return, and then the receiving one: a packet passes when both
// let it. Nothing that works in two directions under libvirt is lost by that,
// since its answers need the sender's network to take them: a source outside
// the subnets, or a link other than dev, is refused there too.
//
// A network without IPv6 has no IPv6 rules, as its bridge has IPv6 off. (Not a
// reject: with bridge-nf-call-ip6tables the guests' own link-local frames
// cross the forward hook.)
//
// Translation is looked up by source address as in libvirt, not by input link,
// so that what the host itself sends from a bridge's address is translated
// too. Subnets of two networks do not overlap; if they do all the same, the
// longer prefix decides (equal ones: the first network by name), and nothing
// fails.
//
// # Ownership
//
// The table carries the flags owner and persist where the kernel has them
// (6.9): while a [Conn] is open nobody else can change it, and it outlives the
// process. Each rule carries a hash of itself in its user data, so what the
// kernel has can be compared with what it should have without understanding
// it. Nothing outside the table is ever read or changed.
package nat
