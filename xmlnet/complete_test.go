package xmlnet

import (
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMissingPartsAreGeneratedAndKept(t *testing.T) {
	none := func(string) bool { return false }
	n := mustParse(t, inBare(""))
	if err := n.Complete(none); err != nil {
		t.Fatal(err)
	}
	if n.UUID.IsZero() || n.UUID[6]>>4 != 4 || len(n.MAC) != 6 || n.MAC.String()[:9] != "52:54:00:" || n.Bridge.Name != "virbr0" {
		t.Errorf("completed to uuid %s mac %s bridge %s", n.UUID, n.MAC, n.Bridge.Name)
	}
	before := n.Clone()
	if err := n.Complete(none); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, n, equateNetip); diff != "" {
		t.Errorf("completing again changed it:\n%s", diff)
	}

	n = mustParse(t, inBare("<forward mode='bridge'/>"))
	if err := n.Complete(none); err != nil || n.MAC != nil || n.Bridge.Name != "" {
		t.Errorf("without an own bridge: mac %s bridge %q error %v", n.MAC, n.Bridge.Name, err)
	}
}

func TestBridgeNamesFollowLibvirtsTemplates(t *testing.T) {
	taken := map[string]bool{"virbr0": true, "foo0": true, "foo1": true}
	for name, want := range map[string]string{
		"": "virbr1", "foo%d": "foo2", "%dx": "0x", "foo%d%d": "virbr1", "f%s%d": "virbr1",
		"f%s": "f%s", "br0": "br0", "virbr0": "virbr0",
	} {
		n := &Network{Bridge: Bridge{Name: name}}
		if err := n.Complete(func(link string) bool { return taken[link] }); err != nil || n.Bridge.Name != want {
			t.Errorf("%q became %q, error %v; want %q", name, n.Bridge.Name, err, want)
		}
	}
}

func TestBridgeNamesRunOut(t *testing.T) {
	tries := 0
	n := &Network{}
	err := n.Complete(func(string) bool { tries++; return true })
	var e *Error
	if !errors.As(err, &e) || e.Kind != InternalError || e.Text != "Bridge generation exceeded max id 256" || tries != 257 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	if diff := cmp.Diff(&Network{}, n, equateNetip); diff != "" {
		t.Errorf("the network was changed:\n%s", diff)
	}
}

func TestClonesShareNothing(t *testing.T) {
	for _, dir := range fixtures(t, "!bad-") {
		n := mustParse(t, string(readFile(t, dir+"/network.xml")))
		c := n.Clone()
		if diff := cmp.Diff(n, c, equateNetip); diff != "" {
			t.Errorf("%s: the clone differs:\n%s", dir, diff)
		}
		checkUnshared(t, dir, reflect.ValueOf(n), reflect.ValueOf(c))
	}
}

// checkUnshared fails if a and b, which are equal, have memory in common.
func checkUnshared(t *testing.T, path string, a, b reflect.Value) {
	t.Helper()
	switch a.Kind() {
	case reflect.Pointer:
		if !a.IsNil() && a.Type().Elem().PkgPath() != "internal/unsafeheader" {
			if a.Pointer() == b.Pointer() {
				t.Errorf("%s is shared", path)
			}
			checkUnshared(t, path, a.Elem(), b.Elem())
		}
	case reflect.Slice:
		if a.Len() > 0 && a.Pointer() == b.Pointer() {
			t.Errorf("%s is shared", path)
		}
		for i := range a.Len() {
			checkUnshared(t, path, a.Index(i), b.Index(i))
		}
	case reflect.Struct:
		if a.Type().PkgPath() == "net/netip" {
			return // immutable
		}
		for i := range a.NumField() {
			checkUnshared(t, path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	}
}
