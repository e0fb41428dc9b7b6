package tsm

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/google/go-configfs-tsm/report"
)

// ErrBusy says that the host or the firmware would not serve the request now.
var ErrBusy = errors.New("busy: the host throttles requests")

// Slot admits one question to the kernel at a time, as the kernel would.
type Slot chan struct{}

// NewSlot returns a free slot.
func NewSlot() Slot { return make(Slot, 1) }

// Ask puts a question to the kernel, again if it is busy or somebody got in
// between. It does not wait longer than ctx lasts; its error is then ctx's.
func Ask[A any](ctx context.Context, slot Slot, question func() (A, error)) (A, error) {
	for attempt := 1; ; attempt++ {
		got, err := once(ctx, slot, question)
		if !IsPassing(err) || attempt == maxAttempts {
			return got, err
		}
		if err := pause(ctx); err != nil {
			var none A
			return none, err
		}
	}
}

// once asks the kernel. The slot is given back when the kernel has answered: calls
// whose ctx ended cannot pile up in it.
func once[A any](ctx context.Context, slot Slot, question func() (A, error)) (none A, err error) {
	if err := ctx.Err(); err != nil {
		return none, err
	}
	select {
	case slot <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	type result struct {
		answer A
		err    error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-slot }()
		got, err := guarded(question)
		done <- result{got, err}
	}()
	select {
	case r := <-done:
		return r.answer, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// guarded asks. A panic in a library must not end the process.
func guarded[A any](question func() (A, error)) (got A, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			var none A
			got, err = none, fmt.Errorf("a fault in the way to the kernel: %v", fault)
		}
	}()
	return question()
}

// IsPassing reports whether asking again may help: the host throttles, or
// another process wrote to our entry between write and read.
func IsPassing(err error) bool {
	var generation *report.GenerationErr
	return isBusy(err) || errors.As(err, &generation)
}

func isBusy(err error) bool {
	return errors.Is(err, ErrBusy) || errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
}

// pause waits for retryDelay, or until ctx ends.
func pause(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, retryDelay)
	defer cancel()
	<-wait.Done()
	return ctx.Err()
}
