package network

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// With its FORWARD policy, Docker drops what it does not know; so does ufw with
// INPUT's as well.
const dockerAndUFW = `iptables-nft -P FORWARD DROP; iptables-nft -N DOCKER-USER; iptables-nft -I FORWARD -j DOCKER-USER; iptables-nft -A DOCKER-USER -j RETURN
iptables-nft -P INPUT DROP; iptables-nft -N ufw-user-input; iptables-nft -A INPUT -j ufw-user-input`

func TestGuestsAreLetThroughDockerAndUFWWhileTheirNetworkIsActive(t *testing.T) {
	s := newSite(t)
	s.ns.Run(t, dockerAndUFW)
	saved := func() string { return s.ns.Run(t, "iptables-nft-save") }
	ref := s.mustStart(`<network><name>n</name><forward mode='nat'/><bridge name='virbr5'/><ip address='10.5.0.1' prefix='24'><dhcp><range start='10.5.0.2' end='10.5.0.9'/></dhcp></ip></network>`)
	s.mustStart(`<network><name>i</name><bridge name='virbr6'/><ip address='10.6.0.1' prefix='24'/></network>`)
	s.mustStart(`<network><name>o</name><forward mode='open'/><bridge name='virbr7'/><ip address='10.7.0.1' prefix='24'/></network>`)
	want := []string{
		"-A DOCKER-USER -o virbr5 ", "-A DOCKER-USER -i virbr5 ",
		"-A ufw-user-input -i virbr5 -p udp -m udp --dport 53 ", "-A ufw-user-input -i virbr5 -p tcp -m tcp --dport 53 ",
		"-A ufw-user-input -i virbr5 -p udp -m udp --dport 67 ", "-A ufw-user-input -i virbr6 -p udp -m udp --dport 53 ",
	}
	has := func() bool {
		rules := saved()
		for _, rule := range want {
			if !strings.Contains(rules, rule) {
				return false
			}
		}
		return true
	}
	if rules := saved(); !has() || strings.Contains(rules, "virbr7") || strings.Contains(rules, "DOCKER-USER -i virbr6") {
		t.Errorf("rules:\n%s", rules)
	}
	s.ns.Run(t, "iptables-nft -F DOCKER-USER; iptables-nft -A DOCKER-USER -j RETURN; iptables-nft -F ufw-user-input")
	kerneltest.Wait(t, 10*time.Second, "the rules to be put back", has)

	// The networks stay up without a daemon, and so do the rules.
	s.stop()
	if !has() {
		t.Errorf("gone with the daemon:\n%s", saved())
	}
	s.start()
	if !has() {
		t.Errorf("gone after a restart:\n%s", saved())
	}
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if rules := saved(); strings.Contains(rules, "virbr5") || !strings.Contains(rules, "virbr6") {
		t.Errorf("after the end of a network:\n%s", rules)
	}
}

func TestChainsThatDropAreWarnedOfUnlessAnswered(t *testing.T) {
	for name, tt := range map[string]struct {
		rules string
		doc   string
		want  []string
	}{
		"Docker and ufw": {dockerAndUFW, droppedDoc, nil},
		"an administrator's": {`iptables-nft -P FORWARD DROP; iptables-nft -P INPUT DROP`, droppedDoc,
			[]string{`guests may not reach the outside" network=n chain="ip filter FORWARD"`, `guests may not reach the host's DNS" network=n chain="ip filter INPUT"`}},
		"isolated": {`iptables-nft -P FORWARD DROP`, `<network><name>n</name><bridge name='virbr5'/><ip address='10.5.0.1' prefix='24'/></network>`, nil},
		"none":     {"true", droppedDoc, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.ns.Run(t, tt.rules)
			var log logBuffer
			s.log = slog.New(slog.NewTextHandler(&log, nil))
			s.mustStart(tt.doc)
			warnings := strings.Count(log.String(), "another program's rules drop")
			for _, text := range tt.want {
				if !strings.Contains(log.String(), text) {
					t.Errorf("not said: %s", text)
				}
			}
			if warnings != len(tt.want) {
				t.Errorf("%d warnings, want %d:\n%s", warnings, len(tt.want), log.String())
			}
		})
	}
}

const droppedDoc = `<network><name>n</name><forward mode='nat'/><bridge name='virbr5'/><ip address='10.5.0.1' prefix='24'/></network>`

// logBuffer takes lines from any goroutine.
type logBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
