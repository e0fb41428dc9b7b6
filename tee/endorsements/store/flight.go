package store

import (
	"context"
	"errors"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// flight is one fetch of one name, for everybody who asks for it meanwhile. It
// belongs to the store and not to a caller, and ends by itself.
type flight struct {
	target
	// earlier are flights that may bring the issuer. They began before this one, so
	// that no two wait for each other.
	earlier []*flight
	starts  time.Time // its turn, by the monotonic clock
	done    chan struct{}
	failure failure // set before done is closed; its err is nil if the name is available
}

// start begins a flight, or says why not and when to come back. The caller holds s.mu.
func (s *Store) start(t target, earlier []*flight, refresh bool) (*flight, time.Duration, error) {
	if again, err := s.refuses(t); err != nil {
		return nil, again, err
	}
	l := &t.vendor.demand
	if refresh || s.isBaseline(t.name) {
		l = &t.vendor.upkeep
	}
	if l.waiting >= maxWaiting {
		return nil, busyFor, evidence.Errorf(evidence.CodeEndorsementBusy, brief(t.name), "%d fetches from %s are under way", l.waiting, t.vendor.name)
	}
	now := time.Now()
	wait, ok := l.turn(now)
	if !ok {
		return nil, wait, evidence.Errorf(evidence.CodeEndorsementThrottled, brief(t.name), "%s was asked too often lately, by the store's own limit", t.vendor.name)
	}
	f := &flight{target: t, earlier: earlier, starts: now.Add(wait), done: make(chan struct{})}
	s.flights[t.name] = f
	l.waiting++
	s.running.Go(func() { s.fly(f, l) })
	return f, 0, nil
}

// fly runs a flight to its end.
func (s *Store) fly(f *flight, l *lane) {
	ctx, cancel := context.WithTimeout(s.background, flightTimeout)
	defer cancel()
	refused, err := s.bring(ctx, f)
	s.mu.Lock()
	switch {
	case err == nil:
		s.forgive(f.name)
	case s.background.Err() != nil:
		f.failure.err = errClosed()
	default:
		f.failure = s.remember(f.target, err, refused)
	}
	if err == nil || refused != nil && refused.absent {
		delete(s.wanted, f.name)
	}
	delete(s.flights, f.name)
	l.waiting--
	s.mu.Unlock()
	close(f.done)
	if err == nil {
		s.persist(false)
	} else if s.background.Err() == nil {
		s.config.Notify(Event{Vendor: f.vendor.name, Name: f.name, Err: err})
	}
}

// bring fetches, admits and stores. A refusal comes with the error if the vendor
// did not give anything that could be admitted.
func (s *Store) bring(ctx context.Context, f *flight) (*refusal, error) {
	found, refused := f.download(ctx)
	if refused != nil {
		f.vendor.count(func(served *served) { served.refused[refused.err.Code]++ })
		return refused, refused.err
	}
	f.follow(ctx)
	err := s.admitAfterRotation(ctx, f, found)
	if err != nil {
		f.vendor.count(func(served *served) { served.refused[evidence.CodeOf(err)]++ })
	}
	return nil, err
}

// download waits for the flight's turn and asks the vendor.
func (f *flight) download(ctx context.Context) (*tee.Endorsements, *refusal) {
	v := f.vendor
	if err := sleep(ctx, time.Until(f.starts)); err != nil {
		return nil, v.refuse(f.target, evidence.CodeEndorsementThrottled, "too much to do: %w", err)
	}
	if !v.breaker.isClosed() {
		f.follow(ctx) // one of them finds out for all
	}
	select {
	case v.places <- struct{}{}:
		defer func() { <-v.places }()
	case <-ctx.Done():
		return nil, v.refuse(f.target, evidence.CodeEndorsementBusy, "too much to do: %w", ctx.Err())
	}
	if v.breaker.enter(time.Now()) > 0 {
		return nil, &refusal{err: v.unavailable(f.name), wide: true}
	}
	v.count(func(s *served) { s.requests++ })
	found, refused := v.get(ctx, f.target)
	v.learn(refused, ctx.Err())
	return found, refused
}

// follow waits until the earlier flights have landed.
func (f *flight) follow(ctx context.Context) {
	for _, earlier := range f.earlier {
		select {
		case <-earlier.done:
		case <-ctx.Done():
		}
	}
}

// learn tells the breaker how a request went, and everybody if that changed it.
func (v *vendor) learn(r *refusal, ended error) {
	switch {
	case errors.Is(ended, context.Canceled):
		v.breaker.leave()
	case r != nil && (r.wide || r.paused):
		if v.breaker.fail(time.Now(), r.pause, r.paused) {
			v.notify(Event{Vendor: v.name, Err: r.err})
		}
	default:
		if v.breaker.succeed() {
			v.notify(Event{Vendor: v.name})
		}
	}
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
