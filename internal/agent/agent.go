// Package agent keeps a machine's identity: it attests, hands out what it was
// granted, and attests again, with a new key, before that ends. Renewing is
// attesting: nothing is prolonged.
//
// It tells "no answer" from "refused". Without an answer (the network, a service
// that is overloaded, a device that is busy) the last identity stays good until it
// ends. With a refusal it is withdrawn at once. In both cases the agent goes on
// asking, at random moments that grow apart up to five minutes, and never gives up.
//
// How to attest is given to [New]; who takes the identity watches [Agent.Current].
// The packages beneath hand it on: workloadapi and sds over a socket, files in
// files. Start at [Agent.Run].
package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
)

// Config says how an agent does its work.
type Config struct {
	// Obtain attests once, with a new key. It returns soon after its context ends.
	Obtain func(context.Context) (*Identity, error)
	// Refresh returns the newest trust bundle; nil has none looked for between attestations.
	Refresh func(context.Context) (*spiffebundle.Bundle, error)
	// Logger is where the agent tells what happens; nil means nowhere.
	Logger *slog.Logger
	// Wall is the clock by which identities end; nil means time.Now. It may be set
	// forwards and backwards at any time.
	Wall func() time.Time
}

// Agent keeps one identity. Its methods are safe for concurrent use, but one
// goroutine at a time runs it.
type Agent struct {
	config  Config
	hurry   chan struct{} // holds a wish to attest now
	metrics *metrics

	mu      sync.Mutex
	view    *View
	changed chan struct{} // closed when view is replaced
	due     moment        // when to attest next
	ends    moment        // when the identity ends; counts only while there is one
	last    error         // of the last attempt
}

// View is what an agent has at one moment. It does not change.
type View struct {
	// Identity is nil where there is none yet, or none any more.
	Identity *Identity
	Status   Status
}

// New returns an agent that has nothing yet.
func New(c Config) *Agent {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	a := &Agent{config: c, hurry: make(chan struct{}, 1), metrics: newMetrics(), changed: make(chan struct{})}
	a.due = a.at(a.wall())
	a.view = &View{Status: Status{State: Starting, Since: a.wall(), NextDue: a.due.wall}}
	return a
}

// Current returns the newest view, and a channel that is closed when there is a
// newer one. Whoever is slow misses what was in between, and holds up nobody.
func (a *Agent) Current() (*View, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.view, a.changed
}

// Hurry has the agent attest now, rather than when it is due.
func (a *Agent) Hurry() {
	select {
	case a.hurry <- struct{}{}:
	default: // somebody wished for it already
	}
}

// publish replaces the view by one that change made of a copy.
func (a *Agent) publish(change func(*View)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := *a.view
	change(&next)
	if next.Status.State != a.view.Status.State {
		next.Status.Since = a.wall()
	}
	a.view = &next
	close(a.changed)
	a.changed = make(chan struct{})
}
