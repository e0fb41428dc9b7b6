package guest

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/google/go-configfs-tsm/report"
)

// errBusy says that the host or the firmware would not serve the request now.
var errBusy = errors.New("busy: the host throttles requests")

// ask asks one interface, again if it is busy or somebody got in between.
func (a *Attester) ask(ctx context.Context, i Interface, data [64]byte) (answer, error) {
	for attempt := 1; ; attempt++ {
		got, err := a.once(ctx, i, data)
		if !isPassing(err) || attempt == maxAttempts {
			return got, err
		}
		if err := pause(ctx); err != nil {
			return answer{}, err
		}
	}
}

// once asks the kernel, and does not wait for it longer than ctx lasts. The slot
// is given back when the kernel has answered: calls whose ctx ended cannot pile
// up in it.
func (a *Attester) once(ctx context.Context, i Interface, data [64]byte) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, err
	}
	select {
	case a.slot <- struct{}{}:
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	type result struct {
		answer
		error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-a.slot }()
		got, err := guarded(i, data, a.vmpl)
		done <- result{got, err}
	}()
	select {
	case r := <-done:
		return r.answer, r.error
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

// guarded asks an interface. A panic in a library must not end the process.
func guarded(i Interface, data [64]byte, vmpl uint) (got answer, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			got, err = answer{}, fmt.Errorf("a fault in the way to the kernel: %v", fault)
		}
	}()
	return i.report(data, vmpl)
}

// isPassing reports whether asking again may help: the host throttles, or
// another process wrote to our entry between write and read.
func isPassing(err error) bool {
	var generation *report.GenerationErr
	return isBusy(err) || errors.As(err, &generation)
}

func isBusy(err error) bool {
	return errors.Is(err, errBusy) || errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
}

// pause waits for retryDelay, or until ctx ends.
func pause(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, retryDelay)
	defer cancel()
	<-wait.Done()
	return ctx.Err()
}
