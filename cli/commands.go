package cli

// Names of commands that are handled before the table is.
const (
	daemonCommand   = "daemon"
	cniCommand      = "cni"
	completeCommand = "complete"
)

// networkOption is the option that most commands begin with.
func networkOption(help string, complete completer) option {
	return option{name: "network", kind: textOption, required: true, help: help, complete: complete}
}

// commands returns the command table. Texts and the order of options, which
// decides what a word without an option's name means, are virsh's.
func commands() []*command {
	const nameOrUUID = "network name or uuid"
	return append([]*command{
		{
			name: "net-autostart", summary: "autostart a network", run: netAutostart,
			about: "Configure a network to be automatically started at boot.",
			options: []option{
				networkOption(nameOrUUID, persistentNetworks),
				{name: "disable", help: "disable autostarting"},
			},
		},
		{
			name: "net-create", summary: "create a network from an XML file", run: netCreate,
			about: "Create a network.",
			options: []option{
				{name: "file", kind: textOption, required: true, help: "file containing an XML network description", complete: files},
				{name: "validate", help: "validate the XML against the schema"},
			},
		},
		{
			name: "net-define", run: netDefine,
			summary: "define an inactive persistent virtual network or modify an existing persistent one from an XML file",
			about:   "Define or modify a persistent virtual network.",
			options: []option{
				{name: "file", kind: textOption, required: true, help: "file containing an XML network description", complete: files},
				{name: "validate", help: "validate the XML against the schema"},
				{name: "live", help: "change the active network too, at once and without disturbing its guests"},
			},
		},
		netDescCommand(),
		{
			name: "net-destroy", summary: "destroy (stop) a network", run: netDestroy,
			about:   "Forcefully stop a given network.",
			options: []option{networkOption(nameOrUUID, activeNetworks)},
		},
		{
			name: "net-dhcp-leases", summary: "print lease info for a given network", run: netDHCPLeases,
			about: "Print lease info for a given network",
			options: []option{
				networkOption(nameOrUUID, activeNetworks),
				{name: "mac", kind: textOption, help: "MAC address"},
				{name: "domains", help: "show the domain that has each lease (not in virsh)"},
			},
		},
		historyCommand(),
		{
			name: "net-dumpxml", summary: "network information in XML", run: netDumpXML,
			about: "Output the network information as an XML dump to stdout.",
			options: []option{
				networkOption(nameOrUUID, allNetworks),
				{name: "inactive", help: "show inactive defined XML"},
				{name: "xpath", kind: textOption, named: true, help: "xpath expression to filter the XML document"},
				{name: "wrap", help: "wrap xpath results in an common root element"},
			},
		},
		{
			name: "net-edit", summary: "edit XML configuration for a network", run: netEdit,
			about: "Edit the XML configuration for a network.",
			options: []option{
				networkOption(nameOrUUID, persistentNetworks),
				{name: "live", help: "change the active network too, at once and without disturbing its guests"},
			},
		},
		{
			name: "net-event", summary: "Network Events", run: netEvent,
			about: "List event types, or wait for network events to occur",
			options: []option{
				{name: "network", kind: textOption, help: "filter by network name or uuid", complete: allNetworks},
				{name: "event", kind: textOption, help: "which event type to wait for", complete: eventNames},
				{name: "loop", help: "loop until timeout or interrupt, rather than one-shot"},
				{name: "timeout", kind: numberOption, help: "timeout seconds"},
				{name: "list", help: "list valid event types"},
				{name: "timestamp", help: "show timestamp for each printed event"},
			},
		},
		{
			name: "net-info", summary: "network information", run: netInfo,
			about:   "Returns basic information about the network",
			options: []option{networkOption(nameOrUUID, allNetworks)},
		},
		{
			name: "net-list", summary: "list networks", run: netList,
			about: "Returns list of networks.",
			options: []option{
				{name: "inactive", help: "list inactive networks"},
				{name: "all", help: "list inactive & active networks"},
				{name: "persistent", help: "list persistent networks"},
				{name: "transient", help: "list transient networks"},
				{name: "autostart", help: "list networks with autostart enabled"},
				{name: "no-autostart", help: "list networks with autostart disabled"},
				{name: "uuid", help: "list uuid's only"},
				{name: "name", help: "list network names only"},
				{name: "table", help: "list table (default)"},
				{name: "title", help: "show network title"},
			},
		},
		netMetadataCommand(),
		{
			name: "net-name", summary: "convert a network UUID to network name", run: netName,
			options: []option{networkOption("network uuid", networkUUIDs)},
		},
		{
			name: "net-start", summary: "start a (previously defined) inactive network", run: netStart,
			about:   "Start a network.",
			options: []option{networkOption(nameOrUUID, inactiveNetworks)},
		},
		{
			name: "net-undefine", summary: "undefine a persistent network", run: netUndefine,
			about:   "Undefine the configuration for a persistent network.",
			options: []option{networkOption(nameOrUUID, persistentNetworks)},
		},
		netUpdateCommand(),
		{
			name: "net-uuid", summary: "convert a network name to network UUID", run: netUUID,
			options: []option{networkOption("network name", allNetworks)},
		},
		{
			name: "net-port-list", summary: "list network ports", run: netPortList,
			about: "Returns list of network ports.",
			options: []option{
				networkOption(nameOrUUID, activeNetworks),
				{name: "uuid", help: "list uuid's only"},
				{name: "table", help: "list table (default)"},
				{name: "details", help: "list domain, interface, address and name of each port (not in virsh)"},
			},
		},
		{
			name: "net-fdb", summary: "list what a network's bridge has learned", run: netFDB,
			about:   "List the MAC addresses that a network's bridge knows to be behind its ports,\nand the domain, address and name of each (not in virsh).",
			options: []option{networkOption(nameOrUUID, activeNetworks)},
		},
		{
			name: "net-port-create", summary: "create a network port from an XML file", run: netPortCreate,
			about: "Create a network port.",
			options: []option{
				networkOption(nameOrUUID, activeNetworks),
				{name: "file", kind: textOption, required: true, help: "file containing an XML network port description", complete: files},
				{name: "validate", help: "validate the XML against the schema"},
			},
		},
		{
			name: "net-port-dumpxml", summary: "network port information in XML", run: netPortDumpXML,
			about: "Output the network port information as an XML dump to stdout.",
			options: []option{
				networkOption(nameOrUUID, activeNetworks),
				{name: "port", kind: textOption, required: true, help: "port UUID", complete: networkPorts},
				{name: "xpath", kind: textOption, named: true, help: "xpath expression to filter the XML document"},
				{name: "wrap", help: "wrap xpath results in an common root element"},
			},
		},
		{
			name: "net-port-delete", summary: "delete the specified network port", run: netPortDelete,
			about: "Delete the specified network port.",
			options: []option{
				networkOption(nameOrUUID, activeNetworks),
				{name: "port", kind: textOption, required: true, help: "port UUID", complete: networkPorts},
			},
		},
		{
			name: "adopt", summary: "take a network over from libvirt's own driver", run: adopt,
			about: "Move a network from libvirt's own network driver to vnetmgr, with its definition,\n" +
				"leases and running domains. If a step fails, everything is put back.",
			options: []option{
				{name: "network", kind: textOption, required: true, help: "name of a network of libvirt's"},
				{name: "dry-run", help: "print the steps, do nothing"},
			},
		},
		{
			name: "release", summary: "give a network back to libvirt's own driver", run: release,
			about: "Undo adopt: the network has the definition again that it had when it was adopted.",
			options: []option{
				{name: "network", kind: textOption, required: true, help: "network name", complete: persistentNetworks},
				{name: "dry-run", help: "print the steps, do nothing"},
			},
		},
		{
			name: daemonCommand, summary: "run the daemon in the foreground", offline: true, raw: true, rawHelp: "[option]...",
			about: "Own the networks and serve libvirt's protocol until stopped. As root, every\n" +
				"other command starts a daemon in the background when none answers.\n\n" +
				"--config FILE reads settings from FILE (default: /etc/vnetmgr/vnetmgr.conf);\n" +
				"--socket PATH serves on PATH and PATH-ro.",
			run: runNothing, // Main runs it
		},
		cniCommandRow(),
		{
			name: "version", summary: "show version", offline: true, run: version,
			about: "Display the version of this program and of the daemon that it talks to.",
			options: []option{
				{name: "daemon", help: "accepted as virsh does: the daemon's is always shown"},
			},
		},
		{
			name: "help", summary: "print help", offline: true, run: help,
			about: "Prints global help, command specific help, or help for a\ngroup of related commands",
			options: []option{
				{name: "command", kind: textOption, complete: commandNames,
					help: "Prints global help, command specific help, or help for a group of related commands"},
			},
		},
		{
			name: "completion", summary: "print the completion script of a shell", offline: true, run: completion,
			about: "bash: source <(vnetmgr completion bash)\nzsh:  source <(vnetmgr completion zsh)\nfish: vnetmgr completion fish | source",
			options: []option{
				{name: "shell", kind: textOption, required: true, help: "bash, zsh or fish", complete: shellNames},
			},
		},
		{
			name: completeCommand, summary: "print what may stand at the end of a command line",
			offline: true, raw: true, hidden: true, run: complete,
		},
	}, append(domainCommands(), portCommands()...)...)
}
