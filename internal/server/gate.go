package server

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/quotary/quotary/evidence"
)

// gate bounds how many appraisals run, and how many wait and how long: a queue
// that is longer than clients are patient serves nobody.
type gate struct {
	slots   *semaphore.Weighted
	waiting atomic.Int64
	line    int64 // how many may wait
}

func newGate(slots int) *gate {
	if slots <= 0 {
		slots = runtime.GOMAXPROCS(0)
	}
	return &gate{slots: semaphore.NewWeighted(int64(slots)), line: int64(slots) * queuePerSlot}
}

// slot is a request's place among those that run. It belongs to the request's goroutine.
type slot struct {
	gate *gate
	held bool
}

// enter waits for a slot; call its leave afterwards.
func (g *gate) enter(ctx context.Context) (*slot, error) {
	s := &slot{gate: g}
	return s, s.enter(ctx)
}

func (s *slot) enter(ctx context.Context) error {
	err := s.gate.acquire(ctx)
	s.held = err == nil
	return err
}

// leave lets another request run. It does nothing if the slot was left already.
func (s *slot) leave() {
	if s.held {
		s.gate.slots.Release(1)
		s.held = false
	}
}

// acquire takes a slot, or a place in the line for one.
func (g *gate) acquire(ctx context.Context) error {
	if g.slots.TryAcquire(1) {
		return nil
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.line {
		return errFull()
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if g.slots.Acquire(ctx, 1) != nil {
		return errFull()
	}
	return nil
}

func errFull() error {
	return evidence.Errorf(evidence.CodeOverloaded, "", "too many requests of this kind at once; try again later")
}

// timed runs one stage of a request and measures it.
func (s *Server) timed(stage string, run func() error) error {
	begin := time.Now()
	err := run()
	s.metrics.stages.WithLabelValues(stage).Observe(time.Since(begin).Seconds())
	return err
}
