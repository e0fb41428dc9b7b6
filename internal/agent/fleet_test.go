package agent_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
)

// run runs machines of one configuration for as long as a test takes.
func run(t *testing.T, machines int, c agent.Config, test func([]*agent.Agent)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	agents := make([]*agent.Agent, machines)
	for i := range agents {
		agents[i] = agent.New(c)
		running.Go(func() { _ = agents[i].Run(ctx) })
	}
	test(agents)
}

// holding counts those that have an identity.
func holding(agents []*agent.Agent) (n int) {
	for _, a := range agents {
		if view(a).Identity != nil {
			n++
		}
	}
	return n
}

// peak is how many of these moments, in their order, lie within one second at most.
func peak(moments []time.Time) (most int) {
	first := 0
	for i, at := range moments {
		for at.Sub(moments[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// fleetLife is of the identities that a crowded service grants.
const fleetLife = 10 * time.Minute

// crowded is a service that answers so many requests at once, a tenth of a second each,
// and sends the others away for a second; or nobody, while it is away.
type crowded struct {
	issue  func() *agent.Identity
	places int

	mu     sync.Mutex
	away   bool
	inside int
	asked  []time.Time // since it was last looked at
}

func (c *crowded) obtain(context.Context) (*agent.Identity, error) {
	c.mu.Lock()
	c.asked = append(c.asked, time.Now())
	away, full := c.away, c.inside >= c.places
	if !away && !full {
		c.inside++
	}
	c.mu.Unlock()
	if away {
		return nil, silent()
	}
	if full {
		return nil, &client.Problem{Reason: evidence.Errorf(evidence.CodeOverloaded, "", "later"), Status: http.StatusServiceUnavailable, RetryAfter: time.Second}
	}
	time.Sleep(100 * time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside--
	return c.issue(), nil
}

// look returns when the service was asked since the last look, and has it serve or not from
// now on.
func (c *crowded) look(away bool) (asked []time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked, c.asked, c.away = c.asked, nil, away
	return asked
}

// again is an identity as if it was issued now.
func again(identity *agent.Identity) *agent.Identity {
	next := *identity
	next.AttestedAt, next.RenewAt, next.NotAfter = time.Now(), time.Now().Add(fleetLife/2), time.Now().Add(fleetLife)
	return &next
}

// within waits until all have an identity, and returns how long that took, to a twentieth.
func within(t *testing.T, limit time.Duration, agents []*agent.Agent) time.Duration {
	t.Helper()
	began := time.Now()
	for holding(agents) != len(agents) {
		if time.Since(began) > limit {
			t.Fatalf("%d of %d have an identity after %v", holding(agents), len(agents), limit)
		}
		after(max(time.Second, time.Since(began)/20))
	}
	return time.Since(began)
}

// A thousand machines start at once at a service that has twenty places; it goes away
// for longer than a life, and comes back. Everybody has an identity as soon as the service had
// time to give it and until that ends, not a second longer, and nobody storms the service.
func TestConcurrentFleet(t *testing.T) {
	const machines = 1000
	identity := agenttest.NewAuthority(t).Issue(t, "web", fleetLife)
	synctest.Test(t, func(t *testing.T) {
		service := &crowded{issue: func() *agent.Identity { return again(identity) }, places: 20}
		run(t, machines, agent.Config{Obtain: service.obtain}, func(agents []*agent.Agent) {
			took := within(t, 2*time.Minute, agents)
			asked := service.look(false)
			t.Logf("start: %d machines have an identity after %v; %d requests, %d in the second with most, %d later than ten seconds", machines, took, len(asked), peak(asked), peak(since(asked, asked[0].Add(10*time.Second))))
			if len(asked) > 10*machines || peak(asked) > 2*machines {
				t.Errorf("asked %d times for %d identities", len(asked), machines)
			}
			service.look(true)
			began := time.Now()
			ends := map[*agent.Agent]time.Time{}
			first, last := time.Time{}, began
			for _, a := range agents {
				ends[a] = view(a).Identity.NotAfter
				if first.IsZero() || ends[a].Before(first) {
					first = ends[a]
				}
				if ends[a].After(last) {
					last = ends[a]
				}
			}
			for time.Since(began) < 2*fleetLife {
				switch now := time.Now(); {
				case now.Before(first):
					after(min(time.Minute, first.Sub(now)))
				case now.Before(last):
					after(time.Second)
				default:
					after(time.Minute)
				}
				for _, a := range agents {
					if has, should := view(a).Identity != nil, ends[a].After(time.Now()); has != should {
						t.Fatalf("%v after the service went away an agent has an identity: %v, which ends at %v", time.Since(began), has, ends[a])
					}
				}
			}
			asked = since(service.look(false), time.Now().Add(-5*time.Minute))
			t.Logf("away: %d requests in the last five minutes, %d in the second with most", len(asked), peak(asked))
			// Waits are two and a half minutes on average: two each in five minutes.
			if len(asked) < machines || len(asked) > 4*machines || peak(asked) > 60 {
				t.Errorf("%d machines asked %d times in five minutes", machines, len(asked))
			}
			t.Logf("back: all have one after %v", within(t, 6*time.Minute, agents))
		})
	})
}

// since are those moments that are not before one.
func since(moments []time.Time, from time.Time) []time.Time {
	for i, at := range moments {
		if !at.Before(from) {
			return moments[i:]
		}
	}
	return nil
}
