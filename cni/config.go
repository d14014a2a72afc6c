package cni

import (
	"encoding/json"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
)

// maxConfig bounds what is read from the runtime.
const maxConfig = 8 << 20

// config is a network configuration of our type, and what the runtime adds.
type config struct {
	Version string `json:"cniVersion"`
	Name    string `json:"name"`
	// Network is vnetmgr's, by name; "" is the one called Name.
	Network string `json:"network"`
	// Socket is the daemon's, "" for the usual one.
	Socket    string `json:"socket"`
	MACRule   bool   `json:"macRule"`
	Isolated  bool   `json:"isolated"`
	PortGroup string `json:"portgroup"`

	IPAM struct {
		Type string `json:"type"`
	} `json:"ipam"`
	RuntimeConfig struct {
		wishes
		Bandwidth bandwidth `json:"bandwidth"`
	} `json:"runtimeConfig"`
	Args struct {
		CNI wishes `json:"cni"`
	} `json:"args"`
	PrevResult json.RawMessage `json:"prevResult"`
	Valid      []attachment    `json:"cni.dev/valid-attachments"`
}

// wishes are what a container is to have.
type wishes struct {
	IPs []string `json:"ips"`
	MAC string   `json:"mac"`
}

// bandwidth is the capability of that name: bits per second, and bits. Ingress
// is what the container gets.
type bandwidth struct {
	IngressRate  uint64 `json:"ingressRate"`
	IngressBurst uint64 `json:"ingressBurst"`
	EgressRate   uint64 `json:"egressRate"`
	EgressBurst  uint64 `json:"egressBurst"`
}

// attachment names what ADD made.
type attachment struct {
	Container string `json:"containerID"`
	Link      string `json:"ifname"`
}

func parseConfig(text []byte) (*config, error) {
	if len(text) > maxConfig {
		return nil, failf(undecodable, "the configuration is longer than %d bytes", maxConfig)
	}
	var c config
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, because(undecodable, err, "read the configuration")
	}
	if !identifier.MatchString(c.Name) {
		return nil, failf(invalidConfig, "name %q of the configuration", c.Name)
	}
	if c.Network == "" {
		c.Network = c.Name
	}
	if c.IPAM.Type != "" {
		return nil, failf(invalidConfig, "ipam.type is %q: addresses are vnetmgr's to give, leave ipam out", c.IPAM.Type)
	}
	return &c, nil
}

// identifier is what names and container IDs are (specification, sections 1
// and 2).
var identifier = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$`)

// plugin is one call.
type plugin struct {
	env  Env
	conf *config

	container string
	netns     string
	link      string            // in the container
	args      map[string]string // CNI_ARGS
}

// readEnvironment reads what a command needs.
func (p *plugin) readEnvironment(command string) error {
	if command == "GC" || command == "STATUS" {
		return nil
	}
	p.container, p.netns, p.link = p.env.Getenv("CNI_CONTAINERID"), p.env.Getenv("CNI_NETNS"), p.env.Getenv("CNI_IFNAME")
	switch {
	case !identifier.MatchString(p.container):
		return failf(invalidEnvironment, "CNI_CONTAINERID is %q", p.container)
	case p.link == "" || len(p.link) > 15 || p.link == "." || p.link == ".." || strings.ContainsAny(p.link, "/: \t\n"):
		return failf(invalidEnvironment, "CNI_IFNAME is %q", p.link)
	case p.netns == "" && command != "DEL":
		return failf(invalidEnvironment, "CNI_NETNS is not set")
	case p.netns != "" && !filepath.IsAbs(p.netns):
		return failf(invalidEnvironment, "CNI_NETNS is %q, which is no absolute path", p.netns)
	}
	return p.readArgs()
}

// readArgs reads CNI_ARGS, KEY=VALUE;KEY=VALUE. What is not known is ignored,
// IgnoreUnknown or not: it may be for a plugin after us.
func (p *plugin) readArgs() error {
	p.args = make(map[string]string)
	text := p.env.Getenv("CNI_ARGS")
	if text == "" {
		return nil
	}
	for pair := range strings.SplitSeq(text, ";") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return failf(invalidEnvironment, "CNI_ARGS has %q, which is no KEY=VALUE", pair)
		}
		p.args[key] = value
	}
	return nil
}

// key is what the daemon knows the attachment by.
func (p *plugin) key() string { return p.prefix() + p.container + "/" + p.link }

// prefix begins the keys of all attachments of the configuration.
func (p *plugin) prefix() string { return "cni/" + p.conf.Name + "/" }

// name is the container's in DNS, "" for none: that of the pod, or what nerdctl
// says.
func (p *plugin) name() string {
	for _, key := range []string{"K8S_POD_NAME", "NERDCTL_CNI_DHCP_HOSTNAME"} {
		if name := p.args[key]; name != "" {
			return name
		}
	}
	return ""
}

// mac is the wanted MAC address, "" for none.
func (p *plugin) mac() (string, error) {
	for _, mac := range []string{p.conf.RuntimeConfig.MAC, p.conf.Args.CNI.MAC, p.args["MAC"]} {
		if mac == "" {
			continue
		}
		if hw, err := net.ParseMAC(mac); err != nil || len(hw) != 6 {
			return "", failf(invalidConfig, "MAC address %q", mac)
		}
		return mac, nil
	}
	return "", nil
}

// addrs are the wanted addresses, with or without lengths: at most one of each
// family.
func (p *plugin) addrs() (four, six string, err error) {
	wanted := p.conf.RuntimeConfig.IPs
	if len(wanted) == 0 {
		wanted = p.conf.Args.CNI.IPs
	}
	if ip := p.args["IP"]; len(wanted) == 0 && ip != "" {
		wanted = strings.Split(ip, ",")
	}
	for _, text := range wanted {
		bare, _, _ := strings.Cut(text, "/")
		addr, err := netip.ParseAddr(bare)
		if err != nil {
			return "", "", failf(invalidConfig, "address %q", text)
		}
		to := &four
		if addr.Is6() {
			to = &six
		}
		if *to != "" {
			return "", "", failf(invalidConfig, "two addresses of one family are wanted, %s and %s", *to, bare)
		}
		*to = bare
	}
	return four, six, nil
}
