package store

import (
	"context"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Fetch makes endorsements available: when it returns nil, a current one of every
// name is in [Store.Endorsements]. Names stand in the order in which one rests on
// the other (an issuer before what it issued). What is there already costs
// nothing, and counts as needed: what is needed seldom makes room first.
//
// Otherwise the error is that of the first name that is not available, or the first
// that the vendor has but did not give, with a code in area "endorsements", and
// retryAfter says when to come back: zero if there is no point. While a vendor is down, wants a pause or has too much to do,
// Fetch returns at once. If ctx ends first, the error is
// [evidence.CodeEndorsementPending] with ctx's as its cause; the fetch itself goes
// on, so that a later call finds what it brought.
func (s *Store) Fetch(ctx context.Context, names []tee.EndorsementName) (retryAfter time.Duration, err error) {
	if ctx.Err() != nil {
		return minRetry, evidence.Errorf(evidence.CodeEndorsementPending, "", "nothing was fetched: %w", context.Cause(ctx))
	}
	if len(names) > maxNames {
		return 0, evidence.Errorf(evidence.CodeEndorsementBusy, "", "%d names; at most %d at once", len(names), maxNames)
	}
	for _, p := range s.launch(names) {
		switch again, failed := p.wait(ctx); {
		case failed == nil:
		case err == nil, isAbsence(err) && !isAbsence(failed):
			retryAfter, err = again, failed
		case isAbsence(err) == isAbsence(failed):
			retryAfter = max(retryAfter, again)
		}
	}
	return retryAfter, err
}

// isAbsence reports whether an error says that nobody has a name: of a report that
// does not say its product line several are asked for, and one exists at most.
func isAbsence(err error) bool {
	code := evidence.CodeOf(err)
	return code == evidence.CodeEndorsementNotFound || code == evidence.CodeEndorsementUnobtainable
}

// pending is a name that was asked for: a flight, or why there is none.
type pending struct {
	flight *flight
	err    error
	again  time.Duration
}

// wait returns when the name is there, or cannot be had, or ctx ends.
func (p pending) wait(ctx context.Context) (retryAfter time.Duration, err error) {
	if p.flight == nil {
		return p.again, p.err
	}
	select {
	case <-p.flight.done:
	case <-ctx.Done():
	}
	select {
	case <-p.flight.done: // also if both came
		if p.flight.failure.err == nil {
			return 0, nil
		}
		return max(p.flight.failure.wait(time.Now()), minRetry), p.flight.failure.err
	default:
		return max(time.Until(p.flight.starts), 0) + minRetry, evidence.Errorf(evidence.CodeEndorsementPending, brief(p.flight.name),
			"%s has not answered yet; the fetch goes on: %w", p.flight.vendor.name, context.Cause(ctx))
	}
}

// launch starts or joins a flight for each name that is not there.
func (s *Store) launch(names []tee.EndorsementName) []pending {
	var all []pending
	var launched []*flight
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		p := s.launchOne(name, launched, false)
		if p.flight != nil {
			launched = append(launched, p.flight)
		}
		all = append(all, p)
	}
	return all
}

// launchOne starts a flight that rests on earlier ones, or joins the one that
// runs. Refreshing asks although there is one.
func (s *Store) launchOne(name tee.EndorsementName, earlier []*flight, refresh bool) pending {
	t, unobtainable := s.locate(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !refresh && s.isAtHand(name) {
		return pending{}
	}
	if unobtainable != nil {
		return pending{err: unobtainable}
	}
	if f := s.flights[name]; f != nil {
		return pending{flight: f}
	}
	f, again, err := s.start(t, earlier, refresh)
	if err != nil {
		t.vendor.count(func(served *served) { served.refused[evidence.CodeOf(err)]++ })
	}
	return pending{f, err, again}
}

// isAtHand reports whether a name has an endorsement that has not expired, and
// marks it as needed. Which root the evidence rests on is not known here: one under
// a real root or a simulated one will do. The caller holds s.mu.
func (s *Store) isAtHand(name tee.EndorsementName) bool {
	found := false
	for _, at := range slots(name) {
		if e := s.table.inForce[at]; e != nil && !e.isExpired(s.now()) {
			s.table.needed(e)
			found = true
		}
	}
	return found
}

// holds reports whether a name has an endorsement, expired or not. The caller
// holds s.mu.
func (s *Store) holds(name tee.EndorsementName) bool {
	all := slots(name)
	return slices.ContainsFunc(all[:], func(at slot) bool { return s.table.inForce[at] != nil })
}

// refuses says why nobody is asked for a name now. The caller holds s.mu.
func (s *Store) refuses(t target) (again time.Duration, err error) {
	now := time.Now()
	switch f, failed := s.recall(t.name); {
	case s.closed:
		return 0, errClosed()
	case s.config.Offline:
		return 0, evidence.Errorf(evidence.CodeEndorsementOffline, brief(t.name), "the store is offline and holds none, or none that is current; import it")
	case failed && f.wait(now) > 0:
		return f.wait(now), f.err
	}
	if pause := t.vendor.breaker.pause(now); pause > 0 {
		return pause, t.vendor.unavailable(t.name)
	}
	return 0, nil
}

// unavailable is the error of a vendor that is not asked at the moment.
func (v *vendor) unavailable(name tee.EndorsementName) *evidence.Error {
	if v.breaker.isWanted() {
		return evidence.Errorf(evidence.CodeEndorsementThrottled, brief(name), "%s wanted a pause, which is not over", v.name)
	}
	return evidence.Errorf(evidence.CodeEndorsementUnreachable, brief(name), "%s is down; it is asked again from time to time", v.name)
}

// isBaseline reports whether every verification may draw on a name.
func (s *Store) isBaseline(name tee.EndorsementName) bool {
	return slices.ContainsFunc(s.vendors, func(v *vendor) bool { return slices.Contains(v.baseline, name) })
}
