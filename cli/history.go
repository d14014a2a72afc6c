package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/go-libvirt"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// historyCommand is the command net-dhcp-history.
func historyCommand() *command {
	return &command{
		name: "net-dhcp-history", summary: "who had which address when", run: netDHCPHistory,
		about: "Print which clients had which addresses of a network, now and in the past.\n\n" +
			"A TIME is a date (2026-11-21), a time of today (14:30), both (\"2026-11-21 14:30\"),\n" +
			"RFC 3339's 2026-11-21T14:30:00Z, or how long ago (90s, 20m, 5h, 3d).",
		options: []option{
			networkOption("network name or uuid", allNetworks),
			{name: "address", kind: textOption, named: true, help: "only of this IP address"},
			{name: "mac", kind: textOption, named: true, help: "only of the client with this MAC address"},
			{name: "hostname", kind: textOption, named: true, help: "only of clients of this name"},
			{name: "at", kind: textOption, named: true, help: "who had an address at that TIME"},
			{name: "since", kind: textOption, named: true, help: "who had an address at that TIME or later"},
			{name: "until", kind: textOption, named: true, help: "who had an address at that TIME or before"},
			{name: "last", kind: numberOption, named: true, help: "only the newest so many lines"},
		},
	}
}

// netDHCPHistory runs net-dhcp-history.
func netDHCPHistory(ctx context.Context, sh *shell, in invocation) error {
	args, err := historyArgs(in, time.Now())
	if err != nil {
		return err
	}
	n, given, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	args.Network = wire.Network{Name: n.Name, UUID: wire.UUID(n.UUID)}
	var ret wire.HistoryRet
	err = sh.conn.do(ctx, "HISTORY", func() error { return sh.conn.link.callOwn(wire.OwnHistory, args, &ret) })
	if hasCode(err, libvirt.ErrRPC) {
		err = worded("only vnetmgr's own daemon keeps one")
	}
	if err != nil {
		return fail(err, "Failed to get the lease history of %s", given)
	}
	t := newTable("From", "Until", "MAC address", "IP address", "Hostname", "Client ID or DUID")
	for _, r := range ret.Records {
		t.add(historyTime(r.From), historyEnd(r), r.MAC, r.Addr, orDash(r.Hostname), historyClient(r))
	}
	sh.printf("%s", t.format(sh.opts.quiet))
	return nil
}

// historyClient says by what a client goes, and who else does.
func historyClient(r wire.HistoryRecord) string {
	if r.CloneOf != "" {
		return r.ClientID + " (clone of " + r.CloneOf + ")"
	}
	return orDash(r.ClientID)
}

// historyArgs is what the options ask for.
func historyArgs(in invocation, now time.Time) (args wire.HistoryArgs, err error) {
	if in.has("at") && (in.has("since") || in.has("until")) {
		return args, worded("Options --at and --since or --until are mutually exclusive")
	}
	for name, into := range map[string]*string{"address": &args.Addr, "mac": &args.MAC, "hostname": &args.Hostname} {
		if *into, err = in.text(name); err != nil {
			return args, err
		}
	}
	for name, into := range map[string]*int64{"since": &args.Since, "until": &args.Until} {
		if in.has("at") {
			name = "at"
		}
		if !in.has(name) {
			continue
		}
		at, err := parseTime(in.values[name], now)
		if err != nil {
			return args, err
		}
		*into = at.UnixNano()
	}
	last, err := in.number("last", wire.MaxHistory)
	args.Max = uint32(last)
	return args, err
}

// parseTime reads a TIME of net-dhcp-history, in the local time zone.
func parseTime(s string, now time.Time) (time.Time, error) {
	if ago, err := parseAgo(s); err == nil {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation("2006-01-02 "+layout, now.Format("2006-01-02 ")+s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, worded(fmt.Sprintf("Time '%s' is malformed: want 2026-11-21, 14:30, '2026-11-21 14:30' or how long ago, as 20m, 5h, 3d", s))
}

// parseAgo reads a span of time: a number of days, or what time.ParseDuration
// reads.
func parseAgo(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 15)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

func historyTime(ns int64) string { return time.Unix(0, ns).Format(time.DateTime) }

// historyEnd says when a record ended and how, or that it has not.
func historyEnd(r wire.HistoryRecord) string {
	if r.End == "held" {
		return "-"
	}
	return historyTime(r.Until) + " " + r.End
}
