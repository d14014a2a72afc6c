package dnsmasq

import (
	"time"
)

// An option is how one is read: a flag, or a value.
type option struct {
	flag     func(*Options)
	value    func(r *reader, arg string) error
	optional bool // the value may be left out
}

func flag(set func(*Options)) option { return option{flag: set} }

func value(read func(r *reader, arg string) error) option { return option{value: read} }

func optional(read func(r *reader, arg string) error) option {
	return option{value: read, optional: true}
}

// asAlways is for flags that ask for what libvirt's own lines already say, or
// for what our servers always do.
func asAlways() option { return flag(func(*Options) {}) }

// options are those that are supported.
var options = map[string]option{
	// Names
	"address":          value((*reader).address),
	"host-record":      value((*reader).hostRecord),
	"cname":            value((*reader).cname),
	"txt-record":       value((*reader).txt),
	"srv-host":         value((*reader).srv),
	"mx-host":          value((*reader).mxHost),
	"mx-target":        value((*reader).mxTarget),
	"ptr-record":       value((*reader).ptr),
	"caa-record":       value((*reader).caa),
	"naptr-record":     value((*reader).naptr),
	"dns-rr":           value((*reader).dnsRR),
	"addn-hosts":       value((*reader).addnHosts),
	"no-hosts":         flag(func(o *Options) { o.DNS.NoHosts = true }),
	"domain":           value((*reader).domain),
	"expand-hosts":     asAlways(),
	"auth-server":      value((*reader).authServer),
	"auth-zone":        value((*reader).authZone),
	"auth-soa":         value((*reader).authSOA),
	"auth-sec-servers": value((*reader).authSecondary),
	"auth-ttl":         value((*reader).authTTL),

	// Upstreams
	"server":              value((*reader).server),
	"local":               value((*reader).server),
	"rev-server":          value((*reader).revServer),
	"no-resolv":           flag(func(o *Options) { o.NoResolv = true }),
	"strict-order":        asAlways(),
	"all-servers":         flag(func(o *Options) { o.DNS.Shaping.Parallel = true }),
	"domain-needed":       flag(func(o *Options) { o.DNS.NoPlainNames = true }),
	"bogus-priv":          flag(func(o *Options) { o.DNS.PrivateReverse = true }),
	"stop-dns-rebind":     flag(func(o *Options) { o.DNS.Shaping.NoRebind = true }),
	"rebind-localhost-ok": flag(func(o *Options) { o.DNS.Shaping.RebindLocalhost = true }),
	"rebind-domain-ok":    value((*reader).rebindDomains),
	"bogus-nxdomain":      value((*reader).bogus),
	"filter-A":            flag(func(o *Options) { o.DNS.Shaping.DropA = true }),
	"filter-AAAA":         flag(func(o *Options) { o.DNS.Shaping.DropAAAA = true }),
	"cache-size":          value((*reader).cacheSize),
	"no-negcache":         flag(func(o *Options) { o.DNS.Shaping.NoNegative = true }),
	"local-ttl":           value((*reader).localTTL),
	"neg-ttl":             seconds(func(o *Options) *time.Duration { return &o.DNS.Shaping.NegativeTTL }, 0),
	"max-ttl":             seconds(func(o *Options) *time.Duration { return &o.DNS.Shaping.ShownTTL }, 0),
	"max-cache-ttl":       seconds(func(o *Options) *time.Duration { return &o.DNS.Shaping.MaxTTL }, 0),
	"min-cache-ttl":       seconds(func(o *Options) *time.Duration { return &o.DNS.Shaping.MinTTL }, time.Hour),
	"dns-loop-detect":     asAlways(),
	"proxy-dnssec":        asAlways(),
	"port":                value((*reader).port),

	// DHCP
	"dhcp-option":        value(func(r *reader, arg string) error { return r.dhcpOption(arg, false) }),
	"dhcp-option-force":  value(func(r *reader, arg string) error { return r.dhcpOption(arg, true) }),
	"dhcp-boot":          value((*reader).dhcpBoot),
	"dhcp-match":         value((*reader).dhcpMatch),
	"dhcp-vendorclass":   value(func(r *reader, arg string) error { return r.dhcpClass(arg, vendorClass) }),
	"dhcp-userclass":     value(func(r *reader, arg string) error { return r.dhcpClass(arg, userClass) }),
	"dhcp-mac":           value((*reader).dhcpMAC),
	"dhcp-name-match":    value((*reader).dhcpNameMatch),
	"tag-if":             value((*reader).tagIf),
	"dhcp-host":          value((*reader).dhcpHost),
	"dhcp-range":         value((*reader).dhcpRange),
	"dhcp-ignore":        value((*reader).dhcpIgnore),
	"dhcp-ignore-names":  optional((*reader).dhcpIgnoreNames),
	"dhcp-broadcast":     optional((*reader).dhcpBroadcast),
	"dhcp-authoritative": asAlways(),
	"dhcp-no-override":   asAlways(),
	"no-ping":            flag(func(o *Options) { o.NoProbe = true }),

	// The programs themselves
	"enable-tftp":        flag(func(o *Options) { o.TFTP = true }),
	"tftp-root":          value((*reader).tftpRoot),
	"tftp-no-blocksize":  flag(func(o *Options) { o.TFTPFixedBlock = true }),
	"log-queries":        optional((*reader).logQueries),
	"log-dhcp":           flag(func(o *Options) { o.LogRequests = true }),
	"log-debug":          asAlways(),
	"log-async":          optional(func(*reader, string) error { return nil }),
	"quiet-dhcp":         asAlways(),
	"quiet-dhcp6":        asAlways(),
	"quiet-ra":           asAlways(),
	"quiet-tftp":         asAlways(),
	"interface":          value((*reader).listenLink),
	"listen-address":     value((*reader).listenAddress),
	"bind-interfaces":    asAlways(),
	"bind-dynamic":       asAlways(),
	"except-interface":   value((*reader).exceptLink),
	"no-daemon":          asAlways(),
	"keep-in-foreground": asAlways(),
}

// What refused options have in common.
const (
	readsFiles  = "only the definition says what a network is"
	runsProgram = "no programs are run for leases; events and hooks tell of them"
	oneProcess  = "there is no dnsmasq process"
	whole       = "that is a setting of the whole daemon"
	ipv6        = "use the definition's own elements for IPv6"
	verifies    = "answers are not verified here, those that upstreams verified are passed on"
)

// refused are dnsmasq's options that are not supported, and why.
var refused = map[string]string{
	"conf-file": readsFiles, "conf-dir": readsFiles, "conf-script": readsFiles, "servers-file": readsFiles,
	"dhcp-hostsfile": readsFiles, "dhcp-hostsdir": readsFiles, "dhcp-optsfile": readsFiles, "dhcp-optsdir": readsFiles,
	"hostsdir": readsFiles, "read-ethers": readsFiles,
	"resolv-file": "give the servers themselves with server=", "no-poll": "the host's resolv.conf is always followed",
	"dhcp-script": runsProgram, "dhcp-luascript": runsProgram, "dhcp-scriptuser": runsProgram,
	"script-arp": runsProgram, "script-on-renewal": runsProgram, "leasefile-ro": runsProgram,
	"dhcp-leasefile": oneProcess, "pid-file": oneProcess, "user": oneProcess, "group": oneProcess, "test": oneProcess,
	"version": oneProcess, "help": oneProcess, "dumpfile": oneProcess, "dumpmask": oneProcess, "no-ident": oneProcess,
	"enable-dbus": oneProcess, "enable-ubus": oneProcess, "dhcp-alternate-port": oneProcess,
	"log-facility":    "log lines go to the daemon's log",
	"dns-forward-max": whole, "edns-packet-max": whole, "query-port": whole, "min-port": whole, "max-port": whole,
	"port-limit": whole, "max-tcp-connections": whole, "cache-rr": whole, "use-stale-cache": whole,
	"fast-dns-retry": whole, "clear-on-reload": whole,
	"dnssec": verifies, "dnssec-check-unsigned": verifies, "dnssec-debug": verifies, "dnssec-limits": verifies,
	"dnssec-no-timecheck": verifies, "dnssec-timestamp": verifies, "trust-anchor": verifies,
	"enable-ra": ipv6, "ra-param": ipv6, "dhcp-duid": ipv6,
	"dhcp-lease-max": "the ranges say how many leases there are, and dnsmasq refuses it, too, after libvirt's own",
	"pxe-service":    "use dhcp-match with option:client-arch and dhcp-boot", "pxe-prompt": "use dhcp-boot",
	"dhcp-pxe-vendor": "use dhcp-vendorclass", "dhcp-proxy": "relays are answered through themselves",
	"dhcp-relay": "the server is here", "shared-network": "a network has one bridge", "bridge-interface": "a network has one bridge",
	"no-dhcp-interface": "leave out the definition's dhcp element", "no-dhcpv4-interface": "leave out the definition's dhcp element",
	"no-dhcpv6-interface": "leave out the definition's dhcp element", "local-service": "only the network's guests and the host are served",
	"tftp-secure": "files that all may read are served", "tftp-unique-root": "all guests have one root",
	"tftp-max": whole, "tftp-mtu": whole,
	"tftp-no-fail": "the root must exist", "tftp-port-range": whole, "tftp-single-port": whole, "tftp-lowercase": "file names are taken as they are",
	"dhcp-fqdn": "guests are known by their bare names, too", "dhcp-ttl": "use local-ttl", "dhcp-generate-names": "guests name themselves",
	"dhcp-client-update": "use dhcp-ignore-names", "dhcp-ignore-clid": "clients are known by what they say",
	"dhcp-sequential-ip": "addresses are chosen by MAC", "dhcp-reply-delay": "replies leave at once",
	"dhcp-rapid-commit": "there is one server", "bootp-dynamic": "BOOTP clients need a reservation",
	"dhcp-circuitid": "there are no relays", "dhcp-remoteid": "there are no relays", "dhcp-subscrid": "there are no relays",
	"alias": "answers' addresses are not rewritten", "localise-queries": "names have all their addresses",
	"localmx": "use mx-host", "selfmx": "use mx-host", "filterwin2k": "use local= for the domains", "filter-rr": "use filter-A or filter-AAAA",
	"ignore-address": "use bogus-nxdomain", "synth-domain": "use host-record", "dynamic-host": "use host-record",
	"interface-name": "use host-record", "auth-peer": "zones are not transferred", "no-round-robin": "names' addresses keep their order",
	"add-mac": "queries are not marked", "add-subnet": "queries are not marked", "add-cpe-id": "queries are not marked",
	"strip-mac": "queries are not marked", "strip-subnet": "queries are not marked", "umbrella": "queries are not marked",
	"conntrack": "the rules are the network's", "ipset": "the rules are the network's", "nftset": "the rules are the network's",
	"connmark-allowlist": "the rules are the network's", "connmark-allowlist-enable": "the rules are the network's",
}
