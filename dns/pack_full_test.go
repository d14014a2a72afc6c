package dns

import (
	"strings"
	"testing"

	codec "github.com/miekg/dns"
)

// Answers of every length up to what a quick entry has room for, with a zone's
// record behind them, that may begin at the very end.
func TestResponsesThatFillAQuickEntry(t *testing.T) {
	quick, slow := 0, 0
	for addrs := 50; addrs <= 53; addrs++ {
		for label := 1; label <= 60; label++ {
			answer := []string{"www.example. 60 IN CNAME " + strings.Repeat("x", label) + ".example."}
			for range addrs {
				answer = append(answer, "www.example. 60 IN AAAA 2001:470::1")
			}
			m := &codec.Msg{Compress: true, Answer: records(answer), Ns: records([]string{". 900 IN SOA a. b. 1 2 3 4 5"})}
			q, resp := packedResponse(t, "www.example.", codec.TypeA, m)
			if compareWays(t, q, resp) {
				quick++
			} else {
				slow++
			}
		}
	}
	if quick == 0 || slow == 0 {
		t.Errorf("%d fit and %d do not: nothing is as long as there is room", quick, slow)
	}
}
