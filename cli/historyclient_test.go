package cli

import (
	"testing"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

func TestHistoryLineOfACloneNamesTheOther(t *testing.T) {
	for want, r := range map[string]wire.HistoryRecord{
		"-":                                     {},
		"01:02:03":                              {ClientID: "01:02:03"},
		"01:02:03 (clone of 52:54:00:00:00:01)": {ClientID: "01:02:03", CloneOf: "52:54:00:00:00:01"},
	} {
		if got := historyClient(r); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
