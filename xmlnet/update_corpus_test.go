package xmlnet

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLibvirtsOwnUpdates runs libvirt's cases of net-update, where they are
// beside the repository: each changes networkxml2xmlin/base into
// networkxml2xmlupdateout/want, or is refused.
func TestLibvirtsOwnUpdates(t *testing.T) {
	dir := corpus(t)
	if dir == "" {
		t.Log("no shared/corpus beside the repository: only our own cases are tested")
		return
	}
	tests := []struct {
		base, xml string
		command   Command
		section   Section
		want      string
		kind      Kind // with no want
	}{
		{"nat-network", "host-incomplete", AddLast, SectionDHCPHost, "", XMLError},
		{"nat-network", "host-new-incomplete", AddLast, SectionDHCPHost, "", XMLError},
		{"nat-network", "host-existing", AddLast, SectionDHCPHost, "", OperationInvalid},
		{"nat-network", "host-new", AddLast, SectionDHCPHost, "nat-network-hosts", 0},
		{"nat-network", "host-new", Modify, SectionDHCPHost, "", OperationInvalid},
		{"nat-network", "host-incomplete", Modify, SectionDHCPHost, "", XMLError},
		{"nat-network", "host-new", Delete, SectionDHCPHost, "", OperationInvalid},
		{"nat-network-hosts", "host-new", Delete, SectionDHCPHost, "nat-network", 0},
		{"nat-network", "dhcp-range-10", AddLast, SectionDHCPRange, "", InternalError},
		{"nat-network", "dhcp-range-10", Delete, SectionDHCPRange, "", InternalError},
		// Only libvirt's unit test, which does not parse the result, has this.
		{"nat-network", "interface-eth47", AddFirst, SectionForwardInterface, "", XMLError},
		{"nat-network", "interface-eth47", Delete, SectionForwardInterface, "", OperationInvalid},
		{"openvswitch-net", "portgroup-alice-new", AddLast, SectionPortGroup, "", OperationInvalid},
		{"openvswitch-net", "portgroup-alice-new", Modify, SectionPortGroup, "openvswitch-net-modified", 0},
		{"nat-network-dns-more-hosts", "dns-host-modify-not-existing", Modify, SectionDNSHost, "", XMLDetail},
		{"nat-network-dns-txt-record", "dns-txt-record-snowman", AddFirst, SectionDNSTXT, "nat-network-dns-txt-records", 0},
		{"nat-network-dns-txt-records", "dns-txt-record-snowman", AddLast, SectionDNSTXT, "", OperationInvalid},
		{"nat-network-dns-txt-record", "dns-txt-record-snowman", Delete, SectionDNSTXT, "", OperationInvalid},
		{"nat-network-dns-txt-records", "dns-txt-record-snowman", Delete, SectionDNSTXT, "nat-network-dns-txt-record", 0},
		{"nat-network-dns-txt-record", "dns-txt-record-modify-success", Modify, SectionDNSTXT, "nat-network-dns-txt-modify-ok", 0},
		{"nat-network-dns-txt-record", "dns-txt-record-modify-fail", Modify, SectionDNSTXT, "", OperationInvalid},
		{"nat-network-dns-srv-record", "srv-record-donkey", AddLast, SectionDNSSRV, "nat-network-dns-srv-records", 0},
		{"nat-network-dns-srv-records", "srv-record-donkey", AddLast, SectionDNSSRV, "", OperationInvalid},
		{"nat-network-dns-srv-record", "srv-record-donkey", Delete, SectionDNSSRV, "", OperationInvalid},
		{"nat-network-dns-srv-records", "srv-record-donkey", Delete, SectionDNSSRV, "nat-network-dns-srv-record", 0},
		{"nat-network-dns-srv-record", "srv-record-invalid", Delete, SectionDNSSRV, "", OperationInvalid},
		{"nat-network-dns-srv-records", "srv-record-service", Delete, SectionDNSSRV, "", OperationInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.base+" "+tt.xml, func(t *testing.T) {
			n := corpusNetwork(t, dir, tt.base)
			xml, err := os.ReadFile(filepath.Join(dir, "networkxml2xmlupdatein", tt.xml+".xml"))
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := n.Update(Update{Command: tt.command, Section: tt.section, XML: xml})
			if tt.want == "" {
				var refusal *Error
				if !errors.As(err, &refusal) || refusal.Kind != tt.kind {
					t.Errorf("got %v, want kind %d", err, tt.kind)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := corpusNetwork(t, dir, tt.want)
			if diff := cmp.Diff(string(want.Format(FormatOptions{})), string(got.Format(FormatOptions{}))); diff != "" {
				t.Errorf("updated (-want +got):\n%s", diff)
			}
		})
	}
}

// corpusNetwork reads a case that is an input, or else a result of updates.
func corpusNetwork(t *testing.T, dir, name string) *Network {
	t.Helper()
	for _, folder := range []string{"networkxml2xmlin", "networkxml2xmlupdateout"} {
		text, err := os.ReadFile(filepath.Join(dir, folder, name+".xml"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return mustParse(t, string(text))
	}
	t.Fatalf("no case %s", name)
	return nil
}

// TestLibvirtsOwnUpdatesOneAfterTheOther are those of its results that take
// another fragment than the corpus has, or two.
func TestLibvirtsOwnUpdatesOneAfterTheOther(t *testing.T) {
	dir := corpus(t)
	if dir == "" {
		t.Log("no shared/corpus beside the repository: only our own cases are tested")
		return
	}
	type step struct {
		command Command
		section Section
		xml     string // a fragment, or the corpus' name of one
	}
	noPudding := step{Delete, SectionDNSHost, "<host ip='f0:d::f0:d'/>"}
	for want, tt := range map[string]struct {
		base  string
		steps []step
	}{
		"nat-network-no-hosts":           {"nat-network-dns-more-hosts", []step{noPudding, {Delete, SectionDNSHost, "dns-host-gateway-incomplete"}}},
		"nat-network-dns-hosts-modified": {"nat-network-dns-more-hosts", []step{noPudding, {Modify, SectionDNSHost, "dns-host-modify"}}},
		"nat-network-dns-txt-none":       {"nat-network-dns-txt-record", []step{{Delete, SectionDNSTXT, "<txt name='example'/>"}}},
		"nat-network-no-forward-ifaces":  {"nat-network-dns-srv-record", []step{{Delete, SectionForwardInterface, "<interface dev='eth1'/>"}}},
		"dhcp6host-routed-network-another-range": {"dhcp6host-routed-network", []step{
			{AddLast, SectionDHCPRange, "<range start='192.168.122.10' end='192.168.122.100'/>"}}},
		// Its result is not in the corpus, but that of taking it back is.
		"nat-network": {"nat-network", []step{{Modify, SectionDHCPHost, "host-updated"}, {Modify, SectionDHCPHost, "host-existing"}}},
	} {
		t.Run(want, func(t *testing.T) {
			n := corpusNetwork(t, dir, tt.base)
			for _, s := range tt.steps {
				xml := []byte(s.xml)
				if xml[0] != '<' {
					xml = readFile(t, filepath.Join(dir, "networkxml2xmlupdatein", s.xml+".xml"))
				}
				next, _, err := n.Update(Update{Command: s.command, Section: s.section, XML: xml})
				if err != nil {
					t.Fatal(err)
				}
				if cmp.Equal(string(n.Format(FormatOptions{})), string(next.Format(FormatOptions{}))) {
					t.Errorf("%s changed nothing", s.xml)
				}
				n = next
			}
			result := corpusNetwork(t, dir, want)
			if diff := cmp.Diff(string(result.Format(FormatOptions{})), string(n.Format(FormatOptions{}))); diff != "" {
				t.Errorf("updated (-want +got):\n%s", diff)
			}
		})
	}
}
