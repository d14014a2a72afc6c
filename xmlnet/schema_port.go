package xmlnet

// portRoot is the outermost element of a network port's document.
var portRoot = rootElement{"networkport", portSchema, func(got string) error {
	return errf(XMLError, "expecting root element of 'networkport', not '%s'", shorten(got))
}}

// portSchema is the whole of libvirt 11's network port XML.
var portSchema = &element{children: children{
	"uuid":        {text: true},
	"owner":       {children: children{"name": {text: true}, "uuid": {text: true}}},
	"group":       {text: true},
	"mac":         {attrs: attrs{"address": nonEmpty}},
	"virtualport": virtualPortSchema,
	"bandwidth":   bandwidthSchema,
	"vlan":        vlanSchema,
	"port":        {attrs: attrs{"isolated": yesNo}},
	"rxfilters":   {attrs: attrs{"trustGuest": yesNo}},
	"plug": {
		attrs: attrs{
			"type": kept, "bridge": nonEmpty, "macTableManager": nonEmpty,
			"dev": nonEmpty, "mode": nonEmpty, "managed": yesNo,
		},
		children: children{
			"driver": {attrs: attrs{"name": nonEmpty, "model": nonEmpty}},
			"address": {attrs: attrs{
				"domain": kept, "bus": kept, "slot": kept, "function": kept,
			}},
		}},
}}
