package xmlnet

import (
	"strings"
	"testing"
)

func TestDHCPSettingsAreRead(t *testing.T) {
	for element, want := range map[string]DHCPSettings{
		``: {},
		`<d:dhcp xmlns:d='` + DHCPNamespace + `'/>`:                             {},
		`<d:dhcp xmlns:d='` + DHCPNamespace + `' clones='no' portLimit='yes'/>`: {OneClient: true},
		`<dhcp xmlns='` + DHCPNamespace + `' portLimit='no'/>`:                  {Unshared: true},
	} {
		got, err := mustParse(t, inBare(`<metadata>`+element+`</metadata>`)).DHCPSettings()
		if err != nil || got != want {
			t.Errorf("%s: %+v %v, want %+v", element, got, err, want)
		}
	}
}

func TestDHCPSettingsRefuse(t *testing.T) {
	for element, want := range map[string]string{
		`<d:dhcp xmlns:d='` + DHCPNamespace + `' clones='maybe'/>`: "attribute clones is 'maybe', not yes or no",
		`<d:dhcp xmlns:d='` + DHCPNamespace + `' leases='no'/>`:    "unknown attribute leases",
		`<d:dhcp xmlns:d='` + DHCPNamespace + `'><d:x/></d:dhcp>`:  "unknown element <x>",
		`<d:server xmlns:d='` + DHCPNamespace + `' clones='no'/>`:  "has no element <server>",
	} {
		if _, err := mustParse(t, inBare(`<metadata>`+element+`</metadata>`)).DHCPSettings(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", element, err, want)
		}
	}
}
