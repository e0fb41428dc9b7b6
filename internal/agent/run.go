package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Run keeps the identity until ctx ends. At its end the last identity stays where it
// was handed out: it is not withdrawn.
func (a *Agent) Run(ctx context.Context) error {
	var refreshing sync.WaitGroup
	defer refreshing.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if a.config.Refresh != nil {
		refreshing.Go(func() { a.refreshUntil(ctx) })
	}
	for {
		if err := a.wait(ctx); err != nil {
			return err
		}
		a.attempt(ctx)
	}
}

// Once attests until the service grants an identity or refuses one, or until ctx ends.
// The error is the last attempt's.
func (a *Agent) Once(ctx context.Context) (*Identity, error) {
	for {
		if err := a.wait(ctx); err != nil {
			if last := a.lastError(); last != nil {
				err = fmt.Errorf("%w (%w)", last, err)
			}
			return nil, err
		}
		a.attempt(ctx)
		view, _ := a.Current()
		switch view.Status.State {
		case Healthy:
			return view.Identity, nil
		case Denied:
			return nil, a.lastError()
		}
	}
}

func (a *Agent) lastError() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// wait returns when the next attestation is due, or ctx's error.
func (a *Agent) wait(ctx context.Context) error {
	for {
		left := a.left(a.nextDue())
		if left <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(min(left, a.expire(), maxSleep))
		select {
		case <-timer.C:
		case <-a.sooner:
			timer.Stop()
		case <-a.hurry:
			timer.Stop()
			return ctx.Err()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

func (a *Agent) nextDue() moment {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.due
}

// expire withdraws an identity that has ended. It returns how long until there is to
// be looked again.
func (a *Agent) expire() time.Duration {
	view, _ := a.Current()
	if view.Identity == nil {
		return maxSleep
	}
	a.mu.Lock()
	left := a.left(a.ends)
	a.mu.Unlock()
	if left > 0 {
		return min(left, maxSleep)
	}
	a.config.Logger.Error("the identity has ended, and there is no new one", "spiffe_id", view.Identity.ID.String(), "not_after", view.Identity.NotAfter)
	a.publish((*View).withdraw)
	return maxSleep
}

// withdraw leaves the view without identity.
func (v *View) withdraw() {
	v.Identity = nil
	v.Status.SPIFFEID, v.Status.AttestationID, v.Status.Simulated, v.Status.Expires = "", "", false, time.Time{}
}

// attempt attests once, and withdraws an identity that ends meanwhile.
func (a *Agent) attempt(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	var identity *Identity
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		identity, err = a.config.Obtain(ctx)
		if err == nil && a.config.Refresh != nil && !a.has() {
			a.refresh(ctx, firstRefreshTimeout) // so that the identity is handed out with what belongs to it
		}
	}()
	for {
		timer := time.NewTimer(a.expire())
		select {
		case <-timer.C:
		case <-done:
			timer.Stop()
			a.settle(ctx, identity, err)
			return
		}
	}
}

// settle takes the outcome of an attempt.
func (a *Agent) settle(ctx context.Context, identity *Identity, err error) {
	switch {
	case err == nil:
		a.granted(identity)
	case errors.Is(ctx.Err(), context.Canceled): // the agent ends: nobody's failure
	default:
		a.failed(err)
	}
}

func (a *Agent) granted(identity *Identity) {
	renew := identity.RenewAt
	if soonest := a.wall().Add(minRenewal); renew.Before(soonest) {
		renew = soonest
	}
	a.metrics.granted()
	a.mu.Lock()
	a.due, a.ends, a.last = a.at(renew), a.at(identity.NotAfter), nil
	dressed, overtaken := a.dress(*identity)
	a.replace(func(v *View) {
		v.Identity = dressed
		v.Status = Status{
			State: Healthy, Since: v.Status.Since, SPIFFEID: identity.ID.String(), AttestationID: identity.AttestationID, Simulated: identity.Simulated,
			Expires: identity.NotAfter, LastAttested: identity.AttestedAt, NextDue: renew,
		}
	})
	a.mu.Unlock()
	a.config.Logger.Info("attested", "spiffe_id", identity.ID.String(), "attestation_id", identity.AttestationID, "simulated", identity.Simulated,
		"not_after", identity.NotAfter, "renew_at", renew)
	a.examine() // by the lists of before, too
	if overtaken {
		a.look()
	}
}

func (a *Agent) failed(err error) {
	view, _ := a.Current()
	failures := view.Status.Failures + 1
	delay := BackOff(failures, retryAfter(err))
	next := a.wall().Add(delay)
	a.mu.Lock()
	a.due, a.last = a.at(next), err
	a.mu.Unlock()
	reason := reasonOf(err)
	a.metrics.failed(reason)
	a.publish(func(v *View) {
		v.Status.Failures, v.Status.Reason, v.Status.NextDue = failures, reason, next
		switch {
		case reason.Refused:
			v.withdraw()
			v.Status.State = Denied
		case v.Status.State == Healthy:
			v.Status.State = Degraded
		}
	})
	a.tell(reason, failures, delay)
}

// tell logs a failure.
func (a *Agent) tell(reason *Reason, failures int, delay time.Duration) {
	message := "no answer; an identity at hand stays good until it ends"
	if reason.Refused {
		message = "refused; there is no identity any more"
	}
	details := []any{"code", reason.Code, "cause", reason.Detail, "failures", failures, "next_attempt_in", delay.Round(time.Millisecond).String()}
	if len(reason.Failed) > 0 {
		details = append(details, "failed_checks", reason.Failed)
	}
	if reason.RequestID != "" {
		details = append(details, "request_id", reason.RequestID)
	}
	a.config.Logger.Warn(message, details...)
}
