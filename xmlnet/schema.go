package xmlnet

// attrRule says how an attribute's text is read.
type attrRule uint8

const (
	// kept attributes are read as written: "" is a value, and usually an
	// error.
	kept attrRule = iota + 1
	// nonEmpty attributes are absent when they are "", as libvirt's XPath
	// string() makes them.
	nonEmpty
	// yesNo attributes are tristates: "yes", "no" or absent.
	yesNo
)

// element is what libvirt knows of one element.
type element struct {
	attrs    map[string]attrRule
	children map[string]*element
	// many elements may be repeated; of the others the first one counts
	// and the rest are ignored, as in libvirt.
	many bool
	// text elements hold text that is read.
	text bool
	// foreign elements hold other programs' elements, kept as they are.
	foreign bool
}

type (
	attrs    = map[string]attrRule
	children = map[string]*element
)

// dnsmasqURI is the namespace of verbatim server options; any prefix may be
// bound to it.
const dnsmasqURI = "http://libvirt.org/schemas/network/dnsmasq/1.0"

// schema is the whole of libvirt 11's network XML: what is not in it libvirt
// doesn't know. Elements of the dnsmasq namespace are keyed "dnsmasq:NAME".
var schema = &element{
	attrs: attrs{"connections": nonEmpty, "ipv6": nonEmpty, "trustGuestRxFilters": yesNo},
	children: children{
		"name":        {text: true},
		"uuid":        {text: true},
		"title":       {text: true},
		"description": {text: true},
		"metadata":    {foreign: true},
		"forward":     forwardSchema,
		"bridge": {attrs: attrs{
			"name": nonEmpty, "zone": nonEmpty, "stp": nonEmpty, "delay": nonEmpty, "macTableManager": nonEmpty,
		}},
		"mtu":         {attrs: attrs{"size": nonEmpty}},
		"mac":         {attrs: attrs{"address": nonEmpty}},
		"domain":      {attrs: attrs{"name": nonEmpty, "localOnly": yesNo, "register": yesNo}},
		"dns":         dnsSchema,
		"vlan":        vlanSchema,
		"bandwidth":   bandwidthSchema,
		"port":        {attrs: attrs{"isolated": yesNo}},
		"ip":          ipSchema,
		"virtualport": virtualPortSchema,
		"route": {many: true, attrs: attrs{
			"family": kept, "address": nonEmpty, "netmask": nonEmpty, "prefix": kept, "gateway": kept, "metric": kept,
		}},
		"portgroup": {many: true,
			attrs: attrs{"name": nonEmpty, "default": nonEmpty, "trustGuestRxFilters": yesNo},
			children: children{
				"vlan": vlanSchema, "virtualport": virtualPortSchema, "bandwidth": bandwidthSchema,
			}},
		"dnsmasq:options": {many: true, children: children{
			"dnsmasq:option": {many: true, attrs: attrs{"value": kept}},
		}},
	},
}

// nat, its children and pf are counted, not cut to the first: a second one
// is an error.
var forwardSchema = &element{
	attrs: attrs{"dev": nonEmpty, "mode": nonEmpty, "managed": nonEmpty},
	children: children{
		"interface": {many: true, attrs: attrs{"dev": nonEmpty, "connections": nonEmpty}},
		"pf":        {many: true, attrs: attrs{"dev": nonEmpty, "connections": nonEmpty}},
		"driver":    {attrs: attrs{"name": kept, "model": nonEmpty}},
		"address": {many: true, attrs: attrs{
			"type": kept, "domain": kept, "bus": kept, "slot": kept, "function": kept, "connections": nonEmpty,
		}},
		"nat": {many: true, attrs: attrs{"ipv6": yesNo}, children: children{
			"address": {many: true, attrs: attrs{"start": kept, "end": kept}},
			"port":    {many: true, attrs: attrs{"start": kept, "end": kept}},
		}},
	},
}

var dnsSchema = &element{
	attrs: attrs{"enable": yesNo, "forwardPlainNames": yesNo},
	children: children{
		"forwarder": {many: true, attrs: attrs{"addr": kept, "domain": nonEmpty}},
		"txt":       {many: true, attrs: attrs{"name": kept, "value": kept}},
		"srv": {many: true, attrs: attrs{
			"service": kept, "protocol": kept, "domain": nonEmpty, "target": nonEmpty,
			"port": nonEmpty, "priority": nonEmpty, "weight": nonEmpty,
		}},
		"host": {many: true, attrs: attrs{"ip": kept}, children: children{
			"hostname": {many: true, text: true},
		}},
	},
}

var leaseSchema = &element{attrs: attrs{"expiry": kept, "unit": kept}}

var ipSchema = &element{many: true,
	attrs: attrs{"address": nonEmpty, "family": nonEmpty, "netmask": nonEmpty, "prefix": kept, "localPtr": yesNo},
	children: children{
		"tftp": {attrs: attrs{"root": nonEmpty}},
		"dhcp": {children: children{
			"range": {many: true, attrs: attrs{"start": kept, "end": kept}, children: children{"lease": leaseSchema}},
			"host": {many: true, attrs: attrs{"mac": kept, "id": kept, "name": kept, "ip": kept},
				children: children{"lease": leaseSchema}},
			"bootp": {attrs: attrs{"file": nonEmpty, "server": kept}},
		}},
	},
}

var vlanSchema = &element{
	attrs: attrs{"trunk": nonEmpty},
	children: children{
		"tag": {many: true, attrs: attrs{"id": kept, "nativeMode": kept}},
	},
}

var rateAttrs = attrs{"average": kept, "peak": kept, "burst": kept, "floor": kept}

var bandwidthSchema = &element{
	attrs:    attrs{"classID": nonEmpty},
	children: children{"inbound": {attrs: rateAttrs}, "outbound": {attrs: rateAttrs}},
}

var virtualPortSchema = &element{
	attrs: attrs{"type": kept},
	children: children{"parameters": {attrs: attrs{
		"managerid": kept, "typeid": kept, "typeidversion": kept,
		"instanceid": kept, "interfaceid": kept, "profileid": nonEmpty,
	}}},
}
