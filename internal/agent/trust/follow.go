package trust

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/internal/agent"
)

// Follow tells what the service revoked, at first and whenever that changes, until ctx ends.
// Without an answer nobody is told, and it asks again, less and less often.
func (t *Trust) Follow(ctx context.Context, tell func(*client.Revocations)) {
	failures := 0
	for pause := rand.N(followSpread); ; pause = agent.BackOff(failures, 0) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if err := t.follow(ctx, tell); err == nil {
			failures = 1 // the bundle is another one: go on by that, soon
		} else if failures++; ctx.Err() == nil {
			t.config.Logger.Warn("what is revoked cannot be learnt", "cause", err.Error())
		}
	}
}

// follow tells until the bundle that the service is known by is replaced.
func (t *Trust) follow(ctx context.Context, tell func(*client.Revocations)) error {
	t.mu.Lock()
	config, err := t.clientConfig(ctx)
	outdated := t.outdated
	t.mu.Unlock()
	if err != nil {
		return err
	}
	r, err := client.NewRevocations(ctx, config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = r.Run(ctx, func(err error) { t.config.Logger.Warn("what is revoked cannot be learnt", "cause", err.Error()) })
	}()
	defer func() { cancel(); <-ended }()
	for {
		changed := r.Changed() // asked for first: no change comes between
		tell(r)
		select {
		case <-changed:
		case <-outdated:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
