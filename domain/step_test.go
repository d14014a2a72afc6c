package domain

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFailedStepTakesBackAllBeforeItLastFirst(t *testing.T) {
	var did []string
	one := func(name string, err error) step {
		return step{
			what: name,
			do:   func(context.Context) error { did = append(did, name); return err },
			undo: func(context.Context) error { did = append(did, "undo "+name); return err },
		}
	}
	steps := []step{one("a", nil), {what: "b", do: func(context.Context) error { return nil }}, one("c", errors.New("broken")), one("d", nil)}
	err := run(t.Context(), steps, func(context.Context) error { did = append(did, "prepare"); return nil })
	if err == nil || !strings.Contains(err.Error(), "c: broken") || !strings.Contains(err.Error(), `take back "c": broken`) {
		t.Errorf("error: %v", err)
	}
	if diff := cmp.Diff([]string{"a", "c", "prepare", "undo c", "undo a"}, did); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("1. a\n2. b\n3. c\n4. d\n", describe(steps)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}
