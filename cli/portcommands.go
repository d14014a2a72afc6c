package cli

// portCommands are the commands on guests' links that are ports without
// libvirt.
func portCommands() []*command {
	const nameOrUUID = "network name or uuid"
	text := func(name, help string) option { return option{name: name, kind: textOption, named: true, help: help} }
	return []*command{
		{
			name: "port-attach", summary: "attach a tap or a network namespace to a network", run: portAttach,
			about: "Make a persistent tap for Firecracker, Cloud Hypervisor or QEMU, or a link into a\n" +
				"network namespace, and have it be a port of an active network. An address of the\n" +
				"network is kept for the guest, for DHCP and for the kernel's argument ip=, which is\n" +
				"printed. It stays attached until port-detach, over restarts of network and host.",
			options: []option{
				networkOption(nameOrUUID, activeNetworks),
				text("tap", "name of the tap, or of the host's end of the link to the namespace"),
				{name: "existing", help: "attach the tap of that name, which is there already"},
				text("netns", "name or file of a network namespace, or a process in it"),
				text("ifname", "name of the link in the namespace (default: eth0)"),
				text("mac", "MAC address of the guest (default: a random one)"),
				text("ip", "IPv4 address of the guest, or none (default: a free one)"),
				text("ip6", "IPv6 address of the guest (default: what it makes itself)"),
				text("name", "host name of the guest in DNS"),
				text("user", "user who may open the tap (default: you)"),
				text("group", "group that may open the tap"),
				{name: "multiqueue", help: "the tap can be opened once for each queue, and must be opened so"},
				{name: "vnet-hdr", help: "frames carry offload headers, unless who opens the tap says otherwise"},
				{name: "mac-rule", help: "let only frames with the guest's MAC and IP addresses pass"},
				{name: "isolated", help: "keep apart from other isolated ports"},
				text("portgroup", "portgroup of the network"),
				text("inbound", "limit of what the guest gets: average,peak,burst,floor"),
				text("outbound", "limit of what the guest sends: average,peak,burst"),
				{name: "json", help: "print JSON"},
			},
		},
		{
			name: "port-detach", summary: "detach what port-attach attached", run: portDetach,
			about: "Delete what port-attach made, take what was there off the network, and free the address.",
			options: []option{
				networkOption(nameOrUUID, activeNetworks),
				{name: "port", kind: textOption, required: true, help: "link, host name or port UUID", complete: attachedLinks},
			},
		},
		{
			name: "port-list", summary: "list what port-attach attached", run: portList,
			about: "Print the links that are ports of a network without libvirt.",
			options: []option{
				networkOption(nameOrUUID, allNetworks),
				{name: "json", help: "print JSON"},
			},
		},
	}
}
