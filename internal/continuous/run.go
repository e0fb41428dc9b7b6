package continuous

import (
	"context"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Run sweeps when it is time, one sweep after the other, until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	changed := s.Policies.Changed()
	hourly := time.NewTicker(every)
	defer hourly.Stop()
	again := time.NewTimer(every)
	again.Stop()
	defer again.Stop()
	var failed want
	pause := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			changed = s.Policies.Changed() // asked for before the sweep: no change comes between
			s.Trigger(Policy)
		case <-hourly.C:
			s.Trigger(Hour)
		case <-again.C:
			s.ask(failed)
		case <-s.wake:
			w := s.take()
			if len(w.triggers) == 0 {
				continue // it was done with the last one
			}
			w = w.with(failed) // whatever is wanted next, what failed is wanted still
			failed = want{}
			again.Stop()
			err := s.sweep(ctx, w)
			if err == nil {
				pause = firstRetry
				continue
			}
			if ctx.Err() != nil {
				return
			}
			s.fault(err, pause)
			failed = w
			again.Reset(pause)
			pause = min(2*pause, lastRetry)
		}
	}
}

// fault notes that a sweep was left.
func (s *Sweeper) fault(err error, pause time.Duration) {
	s.Logger.Error("identities could not be held to what is in force; this is tried again",
		"cause", err, "code", evidence.CodeOf(err).String(), "in", pause.String())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Failures++
	s.status.Fault = err.Error()
}

// rest leaves the processor to others for as long as the work took that began at an instant.
func rest(ctx context.Context, began time.Time) {
	pause := time.NewTimer(time.Since(began))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
}
