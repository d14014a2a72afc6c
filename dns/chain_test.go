package dns

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	codec "github.com/miekg/dns"
)

// A zone whose aliases do not end cannot make each record that follows be
// compared with thousands of names; a long way that ends is gone to its end.
func TestAliasesOfAnUpstreamAreFollowedSoFar(t *testing.T) {
	for _, c := range []struct{ aliases, kept, typed int }{{maxChain - 1, maxChain - 1, 1}, {maxChain, maxChain, 0}, {1300, maxChain, 0}} {
		var answer []string
		for i := range c.aliases {
			answer = append(answer, fmt.Sprintf("c%d.e. 60 IN CNAME c%d.e.", i, i+1))
		}
		answer = append(answer, fmt.Sprintf("c%d.e. 60 IN A 198.18.0.1", c.aliases))
		m := &codec.Msg{Compress: true, Answer: records(answer)}
		q, resp := packedResponse(t, "c0.e.", codec.TypeA, m)
		e, err := newEntry(q, resp, time.Now(), newShaping(Shaping{}))
		if err != nil {
			t.Fatal(err)
		}
		var got codec.Msg
		if err := got.Unpack(e.msg); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.kept+c.typed, len(got.Answer)); diff != "" {
			t.Errorf("%d aliases, records (-want +got):\n%s", c.aliases, diff)
		}
	}
}
