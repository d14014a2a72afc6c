package xmlnet

import "strings"

// portGrammar is a whole network port (networkport.rng).
var portGrammar = &particle{children: contents{
	"uuid": {particle: textual(uuidText), required: true},
	"owner": {required: true, particle: &particle{children: contents{
		"name": {particle: textual(anyText), required: true}, "uuid": {particle: textual(uuidText), required: true},
	}}},
	"mac":         {particle: leaf(patterns{"address": must(unicastMAC)}), required: true},
	"group":       once(textual(deviceName)),
	"rxfilters":   once(leaf(patterns{"trustGuest": must(yesOrNo)})),
	"virtualport": once(virtualPortGrammar),
	"bandwidth":   once(bandwidthGrammar),
	"vlan":        once(vlanGrammar),
	"port":        once(leaf(patterns{"isolated": may(yesOrNo)})),
	"plug":        once(plugGrammar),
}}

// plugGrammar depends on the type of plug.
var plugGrammar = &particle{like: func(attrs map[string]string) *particle {
	p := &particle{attrs: patterns{"type": must(oneOf("network", "bridge", "direct", "hostdev-pci"))}}
	switch strings.TrimSpace(attrs["type"]) {
	case "network", "bridge":
		p.attrs["bridge"], p.attrs["macTableManager"] = must(deviceName), may(oneOf("kernel", "libvirt"))
	case "direct":
		p.attrs["dev"], p.attrs["mode"] = must(deviceName), must(oneOf("bridge", "passthrough", "private", "vepa"))
	case "hostdev-pci":
		p.attrs["managed"] = may(yesOrNo)
		p.children = contents{
			"driver":  once(driverGrammar),
			"address": {particle: leaf(pciAttrs), required: true},
		}
	}
	return p
}}
