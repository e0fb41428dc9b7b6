package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quotary/quotary/internal/agent"
)

// Source is who is told of: an *agent.Agent.
type Source interface {
	Current() (*agent.View, <-chan struct{})
}

// Run tells systemd of a source until ctx ends: that it is ready as soon as ready is closed,
// and its status at each change. The error is the first message's that did not get through;
// the others were sent.
func (n *Notifier) Run(ctx context.Context, source Source, ready <-chan struct{}) error {
	var failed error
	note := func(err error) {
		if err != nil && failed == nil {
			failed = fmt.Errorf("telling systemd: %w", err)
		}
	}
	var alive <-chan time.Time
	if every := n.Watchdog(); every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		alive = ticker.C
	}
	last := ""
	for {
		view, changed := source.Current()
		if line := Line(view.Status); line != last {
			note(n.Status(line))
			last = line
		}
		select {
		case <-changed:
		case <-alive:
			note(n.Alive())
		case <-ready:
			note(n.Ready())
			ready = nil
		case <-ctx.Done():
			return errors.Join(failed, n.Stopping())
		}
	}
}

// Line says a status in a line.
func Line(s agent.Status) string {
	line := string(s.State)
	switch {
	case s.SPIFFEID != "":
		line += fmt.Sprintf(": %s until %s", s.SPIFFEID, s.Expires.Format(time.RFC3339))
	default:
		line += ": no identity"
	}
	if s.Simulated {
		line += " (SIMULATED)"
	}
	if s.Reason != nil {
		if !(s.State == agent.Revoked && s.Reason.Refused) {
			line += fmt.Sprintf("; attempt %d failed", s.Failures)
		}
		if s.Reason.Code != "" {
			line += " (" + s.Reason.Code + ")"
		}
	}
	if !s.NextDue.IsZero() {
		line += "; attests at " + s.NextDue.Format(time.RFC3339)
	}
	return line
}
