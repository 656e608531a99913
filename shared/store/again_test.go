package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestAgain(t *testing.T) {
	other := errors.New("other")
	for _, c := range []struct {
		name     string
		failures []error
		calls    int
		err      error
	}{
		{"success", nil, 1, nil},
		{"a failure that passes", []error{other, other}, 3, nil},
		{"a keyring that does not answer", []error{fmt.Errorf("no answer: %w", context.DeadlineExceeded), other}, 1, context.DeadlineExceeded},
	} {
		calls := 0
		err := Again(func() error {
			calls++
			if calls <= len(c.failures) {
				return c.failures[calls-1]
			}
			return nil
		})
		if calls != c.calls || !errors.Is(err, c.err) {
			t.Errorf("%s: %d calls, %v", c.name, calls, err)
		}
	}
}
