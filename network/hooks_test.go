package network

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// hook installs a script that appends its arguments to the file calls, keeps
// what it read as OP.xml, and then does what body says.
func (s *site) hook(body string) {
	s.t.Helper()
	dir := filepath.Join(s.dir, "hooks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	script := "#!/bin/sh\ncd " + dir + "\necho \"$@\" >>calls\ncat >$2.xml\n" + body + "\n"
	if err := os.WriteFile(filepath.Join(dir, "network"), []byte(script), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// hooked returns what the script was called with since the last time.
func (s *site) hooked() string {
	s.t.Helper()
	path := filepath.Join(s.dir, "hooks", "calls")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	os.Remove(path)
	return string(text)
}

func TestScriptsFollowANetworksLife(t *testing.T) {
	s := newSite(t)
	s.hook("")
	ref := s.mustStart(natDoc)
	if diff := cmp.Diff("n start begin -\nn started begin -\n", s.hooked()); diff != "" {
		t.Errorf("start (-want +got):\n%s", diff)
	}
	live, _ := s.xmls(ref.UUID)
	want := "<hookData>\n  " + strings.ReplaceAll(strings.TrimSuffix(live, "\n"), "\n", "\n  ") + "\n</hookData>\n"
	for _, op := range []string{"start", "started"} {
		got, err := os.ReadFile(filepath.Join(s.dir, "hooks", op+".xml"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s read (-want +got):\n%s", op, diff)
		}
	}
	tainted := func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "run", "n.xml"))
		return err == nil && strings.Contains(string(text), "  <taint flag='hook-script'/>\n<network>")
	}
	if !tainted() {
		t.Error("the network is not marked as tainted")
	}
	s.stop()
	s.start()
	if err := s.Update(t.Context(), ref.UUID, addTXT("a"), AffectLive); err != nil {
		t.Error(err)
	}
	if !tainted() {
		t.Error("the network is not marked as tainted after a restart")
	}
	if _, err := s.DefineLive(t.Context(), []byte(natDoc2(ref)), false); err != nil {
		t.Error(err)
	}
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff("n updated begin -\nn updated begin -\nn stopped end -\n", s.hooked()); diff != "" {
		t.Errorf("afterwards (-want +got):\n%s", diff)
	}
}

// natDoc2 is natDoc with its UUID and something more.
func natDoc2(ref Ref) string {
	return strings.Replace(natDoc, "<name>n</name>", "<name>n</name><uuid>"+ref.UUID.String()+"</uuid><domain name='d'/>", 1)
}

func TestScriptsRefuseAStart(t *testing.T) {
	for op, calls := range map[string]string{
		"start":   "n start begin -\nn stopped end -\n",
		"started": "n start begin -\nn started begin -\nn stopped end -\n",
	} {
		t.Run(op, func(t *testing.T) {
			s := newSite(t)
			s.hook("[ $2 = " + op + " ] || exit 0; echo 'not today' >&2; exit 3")
			ref := s.mustDefine(natDoc)
			before := s.kernelState()
			err := s.Start(t.Context(), ref.UUID)
			if !errors.Is(err, ErrHook) || !strings.Contains(err.Error(), "unexpected exit status 3: not today") {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(calls, s.hooked()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, s.kernelState()); diff != "" {
				t.Errorf("left behind (-before +after):\n%s", diff)
			}
			if info, err := s.LookupName("n"); err != nil || info.Active {
				t.Errorf("%+v %v", info, err)
			}
			// A transient one is gone.
			_, err = s.Create(t.Context(), []byte(strings.ReplaceAll(strings.ReplaceAll(natDoc, ">n<", ">t<"), "virbr7", "virbr9")), false)
			if _, lookup := s.LookupName("t"); !errors.Is(err, ErrHook) || !errors.Is(lookup, ErrNotFound) {
				t.Errorf("create: %v, lookup: %v", err, lookup)
			}
		})
	}
}

func TestFailureOfAScriptAfterwardsIsTheCallsOnlyWithoutLiveChange(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	s.hook("exit 1")
	if err := s.Update(t.Context(), ref.UUID, addTXT("a"), AffectLive); err != nil {
		t.Errorf("live: %v", err)
	}
	if err := s.Update(t.Context(), ref.UUID, addTXT("b"), AffectConfig); !errors.Is(err, ErrHook) {
		t.Errorf("config: %v", err)
	}
	live, config := s.xmls(ref.UUID)
	if !strings.Contains(live, "name='a'") || !strings.Contains(config, "name='b'") {
		t.Errorf("the changes were not made: live\n%s\nconfig\n%s", live, config)
	}
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Errorf("destroy: %v", err)
	}
}

func TestReadingGoesOnWhileAScriptRuns(t *testing.T) {
	s := newSite(t)
	s.hook("while [ ! -e go ]; do sleep 0.02; done")
	ref := s.mustDefine(natDoc)
	started := make(chan error, 1)
	go func() { started <- s.Start(t.Context(), ref.UUID) }()
	kerneltest.Wait(t, 10*time.Second, "the script to run", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "hooks", "start.xml"))
		return err == nil
	})
	if len(s.List()) != 2 { // the network default is the other
		t.Errorf("networks: %v", s.List())
	}
	s.xmls(ref.UUID)
	if _, err := s.Leases(ref.UUID, ""); err != nil {
		t.Error(err)
	}
	select {
	case err := <-started:
		t.Fatalf("it did not wait for the script: %v", err)
	default:
	}
	if err := os.WriteFile(filepath.Join(s.dir, "hooks", "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err != nil {
		t.Error(err)
	}
}
