package xmlnet

import (
	"maps"
	"strings"
)

type (
	patterns = map[string]attrPattern
	contents = map[string]child
)

// must and may are attributes.
func must(fits func(string) bool) attrPattern { return attrPattern{fits, true} }
func may(fits func(string) bool) attrPattern  { return attrPattern{fits, false} }

// once and many are children that need not be there.
func once(p *particle) child  { return child{particle: p} }
func often(p *particle) child { return child{particle: p, many: true} }

// leaf is an element with attributes only.
func leaf(p patterns) *particle { return &particle{attrs: p} }

func textual(fits func(string) bool) *particle { return &particle{text: fits} }

var anything = &particle{any: true}

// networkGrammar is a whole network.
var networkGrammar = &particle{
	attrs: patterns{"connections": may(uint32Value), "ipv6": may(yesOrNo), "trustGuestRxFilters": may(yesOrNo)},
	children: contents{
		"name":        {particle: textual(anyText), required: true},
		"title":       once(textual(oneLine)),
		"description": once(textual(anyText)),
		"metadata":    once(metadataGrammar),
		"uuid":        once(textual(uuidText)),
		"bridge": once(leaf(patterns{
			"name": may(deviceName), "zone": may(zoneName), "stp": may(onOrOff),
			"delay": may(uint64Value), "macTableManager": may(oneOf("kernel", "libvirt")),
		})),
		"mtu":         once(leaf(patterns{"size": must(short)})),
		"mac":         once(leaf(patterns{"address": must(unicastMAC)})),
		"forward":     once(forwardGrammar),
		"virtualport": once(virtualPortGrammar),
		"portgroup": often(&particle{
			attrs: patterns{"name": must(deviceName), "default": may(yesOrNo), "trustGuestRxFilters": may(yesOrNo)},
			children: contents{
				"virtualport": once(virtualPortGrammar), "bandwidth": once(bandwidthGrammar), "vlan": once(vlanGrammar),
			},
		}),
		"domain":    once(leaf(patterns{"name": must(dnsName), "localOnly": may(yesOrNo), "register": may(yesOrNo)})),
		"dns":       once(dnsGrammar),
		"bandwidth": once(bandwidthGrammar),
		"vlan":      once(vlanGrammar),
		"port":      once(leaf(patterns{"isolated": may(yesOrNo)})),
		"ip":        often(ipGrammar),
		"route": often(&particle{either: netmaskOrPrefix, attrs: patterns{
			"family": may(like("ipv4|ipv6")), "address": must(ipText), "netmask": may(ipv4Text),
			"prefix": may(ipPrefix), "gateway": must(ipText), "metric": may(plainUint32),
		}}),
		"dnsmasq:options": once(&particle{children: contents{
			"dnsmasq:option": often(leaf(patterns{"value": must(anyText)})),
		}}),
	},
}

// metadataGrammar holds elements of any kind, and no text of its own.
var metadataGrammar = &particle{children: contents{anyName: often(anything)}}

// anyName is the key of children that may have any name.
const anyName = "*"

var forwardGrammar = &particle{
	attrs: patterns{
		"dev": may(deviceName), "managed": may(yesOrNo),
		"mode": may(oneOf("nat", "route", "open", "bridge", "passthrough", "private", "vepa", "hostdev")),
	},
	children: contents{
		"interface": often(leaf(patterns{"dev": must(deviceName), "connections": may(uint32Value)})),
		"address":   often(leaf(with(pciAttrs, patterns{"type": must(oneOf("pci")), "connections": may(uint32Value)}))),
		"pf":        once(leaf(patterns{"dev": must(deviceName)})),
		"driver":    once(driverGrammar),
		"nat": once(&particle{attrs: patterns{"ipv6": may(yesOrNo)}, children: contents{
			"address": once(leaf(patterns{"start": must(ipv4Text), "end": must(ipv4Text)})),
			"port":    once(leaf(patterns{"start": must(portNumber), "end": must(portNumber)})),
		}}),
	},
	either: func(s seen) string {
		if s.children["interface"] > 0 && s.children["address"] > 0 {
			return "did not expect both interface and address"
		}
		return ""
	},
}

// pciAttrs are a PCI device's address.
var pciAttrs = patterns{
	"domain": may(pciDomain), "bus": may(byteValue), "slot": may(pciSlot), "function": may(pciFunction), "multifunction": may(onOrOff),
}

var driverGrammar = leaf(patterns{"name": may(oneOf("kvm", "vfio", "xen")), "model": may(plainName)})

// with is p and more.
func with(p, more patterns) patterns {
	p = maps.Clone(p)
	maps.Copy(p, more)
	return p
}

var portNumber = integer("1", "65535", true)

var dnsGrammar = &particle{
	attrs: patterns{"enable": may(yesOrNo), "forwardPlainNames": may(yesOrNo)},
	children: contents{
		"forwarder": often(leaf(patterns{"addr": may(ipText), "domain": may(dnsName)})),
		"txt":       often(leaf(patterns{"name": must(dnsName), "value": must(anyText)})),
		"srv": often(leaf(patterns{
			"service": must(anyText), "protocol": must(like("tcp|udp")), "domain": may(dnsName), "target": may(anyText),
			"port": may(short), "priority": may(short), "weight": may(short),
		})),
		"host": often(&particle{attrs: patterns{"ip": must(ipText)}, children: contents{
			"hostname": {particle: textual(dnsName), many: true, required: true},
		}}),
	},
}

var leaseGrammar = leaf(patterns{"expiry": must(plainUint64), "unit": may(oneOf("seconds", "minutes", "hours"))})

var ipGrammar = &particle{
	either: netmaskOrPrefix,
	attrs: patterns{
		"address": may(ipText), "netmask": may(ipv4Text), "prefix": may(ipPrefix),
		"family": may(like("ipv4|ipv6")), "localPtr": may(yesOrNo),
	},
	children: contents{
		"tftp": once(leaf(patterns{"root": must(anyText)})),
		"dhcp": once(&particle{children: contents{
			"range": often(&particle{
				attrs: patterns{"start": must(ipText), "end": must(ipText)}, children: contents{"lease": once(leaseGrammar)},
			}),
			"host": often(&particle{
				attrs: patterns{
					"mac": may(unicastMAC), "id": may(duidText), "name": may(anyText), "ip": must(ipText),
				},
				children: contents{"lease": once(leaseGrammar)},
				either:   hostKey,
			}),
			"bootp": once(leaf(patterns{"file": must(somePath), "server": may(dnsName)})),
		}}),
	},
}

// ipPrefix is a prefix length of either family.
var ipPrefix = integer("0", "128", false)

func netmaskOrPrefix(s seen) string {
	_, mask := s.attrs["netmask"]
	if _, prefix := s.attrs["prefix"]; mask && prefix {
		return "did not expect both netmask and prefix"
	}
	return ""
}

// hostKey wants one of mac and id, or a name.
func hostKey(s seen) string {
	_, mac := s.attrs["mac"]
	_, id := s.attrs["id"]
	_, name := s.attrs["name"]
	switch {
	case mac && id:
		return "did not expect both mac and id"
	case !mac && !id && !name:
		return "expected one of mac, id and name"
	}
	return ""
}

var rateGrammar = leaf(patterns{"average": may(speed), "peak": may(speed), "floor": may(speed), "burst": may(burst)})

var bandwidthGrammar = &particle{
	attrs:    patterns{"classID": may(positive)},
	children: contents{"inbound": once(rateGrammar), "outbound": once(rateGrammar)},
}

var vlanGrammar = &particle{
	attrs: patterns{"trunk": may(oneOf("yes"))},
	children: contents{"tag": {many: true, required: true, particle: leaf(patterns{
		"id": must(integer("0", "4095", false)), "nativeMode": may(oneOf("tagged", "untagged")),
	})}},
}

// virtualPortGrammar depends on the type, of which each has parameters of its
// own; without one all are known.
var virtualPortGrammar = &particle{like: func(attrs map[string]string) *particle {
	kind, typed := attrs["type"]
	params := patterns{
		"managerid": may(byteValue), "typeid": may(threeBytes), "typeidversion": may(byteValue), "instanceid": may(uuidText),
		"profileid": may(profileID), "interfaceid": may(uuidText),
	}
	own := map[string]string{
		"802.1Qbg": "managerid typeid typeidversion instanceid", "802.1Qbh": "profileid",
		"openvswitch": "profileid interfaceid", "midonet": "interfaceid",
	}
	kind = strings.TrimSpace(kind)
	p := &particle{children: contents{"parameters": {particle: leaf(params), required: kind == "midonet"}}}
	if !typed {
		return p
	}
	p.attrs = patterns{"type": must(oneOf("802.1Qbg", "802.1Qbh", "openvswitch", "midonet"))}
	for name := range params {
		if !strings.Contains(" "+own[kind]+" ", " "+name+" ") {
			delete(params, name)
		}
	}
	if kind == "midonet" {
		params["interfaceid"] = must(uuidText)
	}
	return p
}}
