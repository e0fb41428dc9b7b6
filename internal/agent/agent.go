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
	"math/rand/v2"
	"sync"
	"time"
)

// Config says how an agent does its work.
type Config struct {
	// Obtain attests once, with a new key. It returns soon after its context ends.
	Obtain func(context.Context) (*Identity, error)
	// Refresh returns what the service publishes now; nil has nobody look for it.
	Refresh func(context.Context) (*Published, error)
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
	sooner  chan struct{} // holds the news that due was moved
	news    chan struct{} // holds a wish to look for what is published
	metrics *metrics

	mu      sync.Mutex
	view    *View
	changed chan struct{} // closed when view is replaced
	due     moment        // when to attest next
	ends    moment        // when the identity ends; counts only while there is one
	last    error         // of the last attempt

	// What goes with every identity.
	published   *Published // nil before anybody knows
	lists       [][]byte
	revocations Revocations // nil before anybody knows
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
	a := &Agent{
		config: c, metrics: newMetrics(), changed: make(chan struct{}),
		hurry: make(chan struct{}, 1), sooner: make(chan struct{}, 1), news: make(chan struct{}, 1),
	}
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

// soon has the agent attest at a random time before within is over, if it is not due
// earlier: many agents that hear of something together do not come together.
func (a *Agent) soon(within time.Duration) {
	next := a.at(a.wall().Add(rand.N(within)))
	a.mu.Lock()
	if a.left(next) < a.left(a.due) {
		a.due = next
	}
	a.mu.Unlock()
	a.publish(func(v *View) { v.Status.NextDue = a.due.wall })
	select {
	case a.sooner <- struct{}{}:
	default:
	}
}

// has reports whether there is an identity.
func (a *Agent) has() bool {
	view, _ := a.Current()
	return view.Identity != nil
}

// amend replaces the identity, if there is one, by a copy that change made another of.
func (a *Agent) amend(change func(*Identity) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.view.Identity == nil {
		return
	}
	next := *a.view.Identity
	if change(&next) {
		a.replace(func(v *View) { v.Identity = &next })
	}
}

// publish replaces the view by one that change made of a copy.
func (a *Agent) publish(change func(*View)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.replace(change)
}

// replace is publish for who has the lock.
func (a *Agent) replace(change func(*View)) {
	next := *a.view
	change(&next)
	if next.Status.State != a.view.Status.State {
		next.Status.Since = a.wall()
	}
	a.view = &next
	close(a.changed)
	a.changed = make(chan struct{})
}
