package cli

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWordsAreSplitAsVirshSplitsThem(t *testing.T) {
	tests := []struct {
		name, in string
		want     [][]string
		wantErr  string
	}{
		{name: "empty", in: "  \t"},
		{name: "one", in: "net-list --all", want: [][]string{{"net-list", "--all"}}},
		{name: "several", in: "a;b x ; ;c\nd", want: [][]string{{"a"}, {"b", "x"}, {"c"}, {"d"}}},
		{name: "quotes", in: `a 'b c' "d \"e" f\ g ""`, want: [][]string{{"a", "b c", `d "e`, "f g", ""}}},
		{name: "backslash in single quotes", in: `a 'b\c'`, want: [][]string{{"a", `b\c`}}},
		{name: "quoted separator", in: `a ';' "#"`, want: [][]string{{"a", ";", "#"}}},
		{name: "comment", in: "a # b; c\nd e#f", want: [][]string{{"a"}, {"d", "e#f"}}},
		{name: "continued line", in: "a \\\n b\\\nc", want: [][]string{{"a", "bc"}}},
		{name: "open single quote", in: "a 'b c", want: [][]string{{"a", "b c"}}},
		{name: "open double quote", in: `a "b`, wantErr: `missing "`},
		{name: "dangling backslash", in: `a b\`, wantErr: `dangling \`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := splitSentences(tt.in)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("sentences (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantErr, errorText(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestGrammar(t *testing.T) {
	tests := []struct {
		in      string
		want    map[string]string
		wantErr string
	}{
		{in: "net-start default", want: map[string]string{"network": "default"}},
		{in: "net-start --network=default", want: map[string]string{"network": "default"}},
		{in: "net-start --network default", want: map[string]string{"network": "default"}},
		{in: "net-start --network --all", want: map[string]string{"network": "--all"}},
		{in: "net-start -- --default", want: map[string]string{"network": "--default"}},
		{in: "net-start -default", want: map[string]string{"network": "-default"}},
		{in: "net-dumpxml --wrap x --xpath //ip", want: map[string]string{"network": "x", "xpath": "//ip", "wrap": ""}},
		{in: "net-dumpxml --xpath //ip x", want: map[string]string{"network": "x", "xpath": "//ip"}},
		{in: "net-dumpxml x --xpath=a=b", want: map[string]string{"network": "x", "xpath": "a=b"}},
		{in: "net-event lifecycle", want: map[string]string{"network": "lifecycle"}},
		{in: "net-event n lifecycle 3", want: map[string]string{"network": "n", "event": "lifecycle", "timeout": "3"}},
		{in: "net-start x --help", want: map[string]string{"command": "net-start"}},
		{in: "help net-list extra --x", want: map[string]string{"command": "net-list"}},
		{in: "foo", wantErr: "unknown command: 'foo'"},
		{in: "net-start", wantErr: "command 'net-start' requires <network> option"},
		{in: "net-dumpxml x //ip", wantErr: "unexpected data '//ip'"},
		{in: "net-dhcp-leases x zz", want: map[string]string{"network": "x", "mac": "zz"}},
		{in: "net-start a b", wantErr: "unexpected data 'b'"},
		{in: "net-list --al", wantErr: "command 'net-list' doesn't support option --al"},
		{in: "net-list --all --all", wantErr: "option --all already seen"},
		{in: "net-list --all=1", wantErr: "invalid '=' after option --all"},
		{in: "net-start --network", wantErr: "expected syntax: --network <string>"},
		{in: "net-event --timeout", wantErr: "expected syntax: --timeout <number>"},
		{in: "net-event x --network y", wantErr: "option --network already seen"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			in, err := grammar{commands: commands()}.parseOne(strings.Fields(tt.in))
			if diff := cmp.Diff(tt.wantErr, errorText(err)); diff != "" {
				t.Fatalf("error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, in.values); err == nil && diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGlobalOptions(t *testing.T) {
	base := globals{debug: 4, keepaliveInterval: 5, keepaliveCount: 6}
	with := func(change func(*globals)) globals { g := base; change(&g); return g }
	tests := []struct {
		in       string
		want     globals
		wantRest string
		wantErr  string
	}{
		{in: "net-list -q", want: base, wantRest: "net-list -q"},
		{in: "-qr net-list", want: with(func(g *globals) { g.quiet, g.readOnly = true, true }), wantRest: "net-list"},
		{in: "-c x:///y a", want: with(func(g *globals) { g.uri = "x:///y" }), wantRest: "a"},
		{in: "-cx:///y a", want: with(func(g *globals) { g.uri = "x:///y" }), wantRest: "a"},
		{in: "--connect=x a", want: with(func(g *globals) { g.uri = "x" }), wantRest: "a"},
		{in: "--conn x a", want: with(func(g *globals) { g.uri = "x" }), wantRest: "a"},
		{in: "--socket s -- -x", want: with(func(g *globals) { g.socket = "s" }), wantRest: "-x"},
		{in: "-k 0x10 -K 2 a", want: with(func(g *globals) { g.keepaliveInterval, g.keepaliveCount = 16, 2 }), wantRest: "a"},
		{in: "-d 9 a", want: with(func(g *globals) { g.warnings = []string{"ignoring debug level 9 out of range [0-4]"} }), wantRest: "a"},
		{in: "-e ^] a", want: base, wantRest: "a"},
		{in: "-v --nonsense", want: with(func(g *globals) { g.show = showVersion })},
		{in: "--version=long", want: with(func(g *globals) { g.show = showLongVersion })},
		{in: "-tl f -h", want: with(func(g *globals) { g.timing, g.logFile, g.show = true, "f", showHelp })},
		{in: "-z", wantErr: "unsupported option '-z'. See --help."},
		{in: "--zz", wantErr: "unsupported option '--zz'. See --help."},
		{in: "--quiet=1", wantErr: "unsupported option '-q'. See --help."},
		{in: "--keepalive", wantErr: "unsupported option '--keepalive'. See --help."},
		{in: "-c", wantErr: "option '-c'/'--connect' requires an argument"},
		{in: "--socket", wantErr: "option '--socket' requires an argument"},
		{in: "-d x", wantErr: "option -d takes a numeric argument"},
		{in: "-k x", wantErr: "Invalid value for option -k"},
		{in: "-e ab", wantErr: "Invalid string 'ab' for escape sequence"},
		{in: "-c a --socket b x", wantErr: "Options --connect and --socket are mutually exclusive"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, rest, err := parseGlobals(strings.Fields(tt.in))
			if diff := cmp.Diff(tt.wantErr, errorText(err)); diff != "" {
				t.Fatalf("error (-want +got):\n%s", diff)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(globals{})); diff != "" {
				t.Errorf("globals (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantRest, strings.Join(rest, " ")); diff != "" {
				t.Errorf("rest (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNumbersOutOfRangeAreRefused(t *testing.T) {
	for value, ok := range map[string]bool{"1": true, " 7": true, "2147483": true, "0": false, "-1": false, "x": false, "2147484": false, "": false} {
		_, err := invocation{values: map[string]string{"timeout": value}}.number("timeout", 2147483)
		if (err == nil) != ok {
			t.Errorf("number(%q): %v", value, err)
		}
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range commands() {
		if c.hidden {
			continue
		}
		got := runMain(t, nil, "help", c.name)
		if got.Status != 0 || !strings.Contains(got.Out, c.name+" - "+c.summary) {
			t.Errorf("help %s: %+v", c.name, got)
		}
		for _, o := range c.options {
			if !strings.Contains(got.Out, "--"+o.name) && !strings.Contains(got.Out, "<"+o.name+">") {
				t.Errorf("help %s does not name %s", c.name, o.name)
			}
		}
	}
}

func TestEveryCommandIsInOneGroup(t *testing.T) {
	for _, c := range commands() {
		count := 0
		for _, g := range groups() {
			if g.holds(c.name) {
				count++
			}
		}
		if count != 1 {
			t.Errorf("%s is in %d groups", c.name, count)
		}
	}
}

func TestTableCountsDisplayColumns(t *testing.T) {
	table := newTable("Name", "X")
	table.add("日本", "a")
	table.add("e\u0301te", "") // a combining accent
	table.add("x\x1b[2J\xff", "b")
	want := "" +
		" Name           X\n" +
		"-------------------\n" +
		" 日本           a\n" +
		" e\u0301te            \n" +
		` x\x1b[2J\xff   b` + "\n"
	if diff := cmp.Diff(want, table.format(false)); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if got := newTable("A").format(true); got != "" {
		t.Errorf("quiet empty table is %q", got)
	}
}

func TestDaemonGetsItsWordsAsTheyAre(t *testing.T) {
	var got []string
	env := Env{Stdout: &strings.Builder{}, Stderr: &strings.Builder{}, Getenv: func(string) string { return "" },
		Daemon: func(_ context.Context, args []string) error { got = args; return nil }}
	if status := Main(t.Context(), []string{"--socket", "s", "daemon", "--x", "-y"}, env); status != 0 {
		t.Fatalf("status %d", status)
	}
	if diff := cmp.Diff([]string{"--socket", "s", "--x", "-y"}, got); diff != "" {
		t.Errorf("args (-want +got):\n%s", diff)
	}
}

func TestHelpOfTheDaemonDoesNotStartIt(t *testing.T) {
	for _, word := range []string{"--help", "-h"} {
		var out strings.Builder
		env := Env{Stdout: &out, Stderr: &strings.Builder{}, Getenv: func(string) string { return "" },
			Daemon: func(context.Context, []string) error { t.Error("it was started"); return nil }}
		if status := Main(t.Context(), []string{"daemon", word}, env); status != 0 || !strings.Contains(out.String(), "--config FILE") {
			t.Errorf("%s: status %d and\n%s", word, status, out.String())
		}
	}
}

func FuzzSplitSentences(f *testing.F) {
	for _, s := range []string{"a b;c", `"x\" 'y`, "# z\n", "\\\n", `a\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sentences, err := splitSentences(s)
		for _, words := range sentences {
			if err == nil && len(words) == 0 {
				t.Errorf("empty sentence of %q", s)
			}
		}
	})
}
