package domain

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// step is one change of many that are made all or not at all.
type step struct {
	what string // as the plan says it
	do   func(ctx context.Context) error
	// undo takes back what do did, as far as it got; nil if there is nothing.
	undo func(ctx context.Context) error
}

// describe lists the steps, a line each.
func describe(steps []step) string {
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "%d. %s\n", i+1, s.what)
	}
	return b.String()
}

// run makes the changes in order. When one fails, those made and what it left
// are taken back, last first, after prepare.
func run(ctx context.Context, steps []step, prepare func(context.Context) error) error {
	for i, s := range steps {
		err := s.do(ctx)
		if err == nil {
			continue
		}
		errs := []error{fmt.Errorf("%s: %w", s.what, err)}
		if err := prepare(ctx); err != nil {
			errs = append(errs, err)
		}
		for ; i >= 0; i-- {
			if steps[i].undo == nil {
				continue
			}
			if err := steps[i].undo(ctx); err != nil {
				errs = append(errs, fmt.Errorf("take back %q: %w", steps[i].what, err))
			}
		}
		return errors.Join(errs...)
	}
	return nil
}
