package cli

// domainCommands are the commands on interfaces of domains: libvirt serves
// them, not our daemon. Texts and the order of options are virsh's.
func domainCommands() []*command {
	domain := option{name: "domain", kind: textOption, required: true, help: "domain name, id or uuid", complete: domainNames}
	byMAC := option{name: "interface", kind: textOption, required: true, help: "interface device (MAC Address)", complete: interfaceNames}
	text := func(name, help string) option { return option{name: name, kind: textOption, named: true, help: help} }
	completed := func(o option, c completer) option {
		o.complete = c
		return o
	}
	affects := []option{
		{name: "config", help: "affect next boot"},
		{name: "live", help: "affect running domain"},
		{name: "current", help: "affect current domain"},
	}
	persistently := append([]option{{name: "persistent", help: "make live change persistent"}}, affects...)
	tuning := []option{text("inbound", "control domain's incoming traffics"), text("outbound", "control domain's outgoing traffics")}
	join := func(lists ...[]option) (all []option) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	return []*command{
		{
			name: "attach-interface", summary: "attach network interface", offline: true, run: attachInterface,
			about: "Attach new network interface.",
			options: join([]option{
				domain,
				{name: "type", kind: textOption, required: true, help: "network interface type", complete: interfaceTypes},
				{name: "source", kind: textOption, required: true, help: "source of network interface", complete: allNetworks},
				text("target", "target network name"), text("mac", "MAC address"),
				text("script", "script used to bridge network interface"),
				completed(text("model", "model type"), cardModels), text("alias", "custom alias name of interface device"),
			}, tuning, persistently, []option{
				{name: "print-xml", help: "print XML document rather than attach the interface"},
				{name: "managed", help: "libvirt will automatically detach/attach the device from/to host"},
				text("source-mode", "mode attribute of <source/> element"),
				text("portgroup", "portgroup of the network (not in virsh)"),
			}),
		},
		{
			name: "detach-interface", summary: "detach network interface", offline: true, run: detachInterface,
			about: "Detach network interface.",
			options: join([]option{
				domain,
				{name: "type", kind: textOption, required: true, help: "network interface type", complete: interfaceTypes},
				completed(text("mac", "MAC address"), interfaceMACs),
			}, persistently, []option{{name: "print-xml", help: "print XML document rather than detach the interface"}}),
		},
		{
			name: "domif-getlink", summary: "get link state of a virtual interface", offline: true, run: domIfGetLink,
			about:   "Get link state of a domain's virtual interface.",
			options: []option{domain, byMAC, {name: "config", help: "Get persistent interface state"}},
		},
		{
			name: "domif-setlink", summary: "set link state of a virtual interface", offline: true, run: domIfSetLink,
			about: "Set link state of a domain's virtual interface. This command wraps usage of update-device command.",
			options: []option{
				domain, byMAC,
				{name: "state", kind: textOption, required: true, help: "new state of the device", complete: linkStates},
				{name: "config", help: "affect next boot"},
				{name: "print-xml", help: "print XML document rather than set the interface link state"},
			},
		},
		{
			name: "domifaddr", offline: true, run: domIfAddr,
			summary: "Get network interfaces' addresses for a running domain",
			about:   "Get network interfaces' addresses for a running domain",
			options: []option{
				domain,
				completed(text("interface", "network interface name"), interfaceNames),
				{name: "full", help: "always display names and MACs of interfaces"},
				completed(text("source", "address source: 'lease', 'agent', or 'arp'"), addressSources),
			},
		},
		{
			name: "domiflist", summary: "list all domain virtual interfaces", offline: true, run: domIfList,
			about: "Get the summary of virtual interfaces for a domain.",
			options: []option{
				domain,
				{name: "inactive", help: "get inactive rather than running configuration"},
				{name: "addresses", help: "show network, and address and name by DHCP, of each interface (not in virsh)"},
			},
		},
		{
			name: "domifstat", summary: "get network interface stats for a domain", offline: true, run: domIfStat,
			about: "Get network interface stats for a running domain.",
			options: []option{
				domain,
				{name: "interface", kind: textOption, required: true, help: "interface device specified by name or MAC Address", complete: interfaceNames},
			},
		},
		{
			name: "domiftune", summary: "get/set parameters of a virtual interface", offline: true, run: domIfTune,
			about:   "Get/set parameters of a domain's virtual interface.",
			options: join([]option{domain, byMAC}, tuning, affects),
		},
	}
}
