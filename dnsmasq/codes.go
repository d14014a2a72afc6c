package dnsmasq

import (
	"fmt"
	"strconv"
	"strings"
)

// A kind is what a DHCP option holds.
type kind int

const (
	plain     kind = iota // as the value looks
	addresses             // IPv4 addresses
	text                  // a name, whatever it looks like
	number1               // an integer of so many bytes
	number2
	number4
	search  // domains, compressed (RFC 3397)
	reserve // the server's own
)

// A code is a DHCP option's name and kind.
type code struct {
	name string
	kind kind
}

// codes are the options that dnsmasq has names for (`dnsmasq --help dhcp`).
var codes = map[uint8]code{
	1: {"netmask", addresses}, 2: {"time-offset", number4}, 3: {"router", addresses}, 6: {"dns-server", addresses},
	7: {"log-server", addresses}, 9: {"lpr-server", addresses}, 12: {"hostname", text}, 13: {"boot-file-size", number2},
	15: {"domain-name", text}, 16: {"swap-server", addresses}, 17: {"root-path", text}, 18: {"extension-path", text},
	19: {"ip-forward-enable", number1}, 20: {"non-local-source-routing", number1}, 21: {"policy-filter", addresses},
	22: {"max-datagram-reassembly", number2}, 23: {"default-ttl", number1}, 26: {"mtu", number2},
	27: {"all-subnets-local", number1}, 28: {"broadcast", addresses}, 31: {"router-discovery", number1},
	32: {"router-solicitation", addresses}, 33: {"static-route", addresses}, 34: {"trailer-encapsulation", number1},
	35: {"arp-timeout", number4}, 36: {"ethernet-encap", number1}, 37: {"tcp-ttl", number1}, 38: {"tcp-keepalive", number4},
	40: {"nis-domain", text}, 41: {"nis-server", addresses}, 42: {"ntp-server", addresses}, 43: {"vendor-encap", plain},
	44: {"netbios-ns", addresses}, 45: {"netbios-dd", addresses}, 46: {"netbios-nodetype", number1},
	47: {"netbios-scope", plain}, 48: {"x-windows-fs", addresses}, 49: {"x-windows-dm", addresses},
	50: {"requested-address", reserve}, 51: {"lease-time", reserve}, 52: {"option-overload", reserve},
	53: {"message-type", reserve}, 54: {"server-identifier", reserve}, 55: {"parameter-request", reserve},
	56: {"message", reserve}, 57: {"max-message-size", reserve}, 58: {"T1", reserve}, 59: {"T2", reserve},
	60: {"vendor-class", plain}, 61: {"client-id", reserve}, 64: {"nis+-domain", text}, 65: {"nis+-server", addresses},
	66: {"tftp-server", text}, 67: {"bootfile-name", text}, 68: {"mobile-ip-home", addresses},
	69: {"smtp-server", addresses}, 70: {"pop3-server", addresses}, 71: {"nntp-server", addresses},
	74: {"irc-server", addresses}, 77: {"user-class", plain}, 80: {"rapid-commit", reserve}, 81: {"FQDN", reserve},
	82: {"agent-info", reserve}, 91: {"last-transaction", reserve}, 92: {"associated-ip", reserve},
	93: {"client-arch", number2}, 94: {"client-interface-id", plain}, 97: {"client-machine-id", plain},
	100: {"posix-timezone", text}, 101: {"tzdb-timezone", text}, 108: {"ipv6-only", number4},
	118: {"subnet-select", reserve}, 119: {"domain-search", search}, 120: {"sip-server", plain},
	121: {"classless-static-route", plain}, 125: {"vendor-id-encap", plain}, 150: {"tftp-server-address", addresses},
	0: {"", reserve}, 255: {"server-ip-address", reserve},
}

// codeNamed finds an option by the name after "option:".
func codeNamed(name string) (uint8, error) {
	for c, o := range codes {
		if o.name != "" && strings.EqualFold(o.name, name) {
			return c, nil
		}
	}
	return 0, fmt.Errorf("unknown DHCP option %q", name)
}

// codeOf reads an option's number, or its name after "option:". ok is false
// if the text is neither.
func codeOf(text string) (c uint8, ok bool, err error) {
	if name, named := strings.CutPrefix(text, "option:"); named {
		c, err = codeNamed(name)
		return c, true, err
	}
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false, nil
	}
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil {
		return 0, true, fmt.Errorf("bad DHCP option %q", text)
	}
	return uint8(n), true, nil
}
