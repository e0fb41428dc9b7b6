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
	identity *agent.Identity
	places   int

	mu     sync.Mutex
	away   bool
	inside int
	asked  int // since it was last looked at
	served int
}

func (c *crowded) obtain(context.Context) (*agent.Identity, error) {
	c.mu.Lock()
	c.asked++
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
	c.served++
	identity := *c.identity
	identity.AttestedAt = time.Now()
	identity.NotAfter = time.Now().Add(fleetLife)
	identity.RenewAt = time.Now().Add(fleetLife / 2)
	return &identity, nil
}

// look returns how often the service was asked since the last look, and serves or not
// from now on.
func (c *crowded) look(away bool) (asked int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked, c.asked, c.away = c.asked, 0, away
	return asked
}

// A thousand machines start at once at a service that has twenty places; it goes away
// for longer than a life, and comes back. Everybody has an identity when the service had
// time to give it, nobody has one that has ended, and nobody storms the service.
func TestConcurrentFleet(t *testing.T) {
	const machines, start = 1000, 2 * time.Minute
	identity := agenttest.NewAuthority(t).Issue(t, "web", fleetLife)
	synctest.Test(t, func(t *testing.T) {
		service := &crowded{identity: identity, places: 20}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		agents := make([]*agent.Agent, machines)
		for i := range agents {
			agents[i] = agent.New(agent.Config{Obtain: service.obtain})
			running.Go(func() { _ = agents[i].Run(ctx) })
		}
		with := func() (n int) {
			for _, a := range agents {
				if v := view(a); v.Identity != nil {
					n++
					if !v.Identity.NotAfter.After(time.Now()) {
						t.Error("an agent has an identity that has ended")
					}
				}
			}
			return n
		}
		after(start)
		if n := with(); n != machines {
			t.Errorf("%d of %d have an identity after two minutes", n, machines)
		}
		if asked := service.look(true); asked > 20*machines {
			t.Errorf("asked %d times for %d identities", asked, machines)
		}
		after(fleetLife - start - time.Second)
		if n := with(); n != machines {
			t.Errorf("%d of %d keep their identity while the service is away", n, machines)
		}
		after(fleetLife)
		if n := with(); n != 0 {
			t.Errorf("%d have an identity when all have ended", n)
		}
		service.look(true)
		after(5 * time.Minute)
		// Waits are two and a half minutes on average: two each in five minutes.
		if asked := service.look(false); asked < machines || asked > 4*machines {
			t.Errorf("%d machines asked %d times in five minutes", machines, asked)
		}
		after(6 * time.Minute)
		if n := with(); n != machines {
			t.Errorf("%d of %d have an identity again", n, machines)
		}
		cancel()
		running.Wait()
	})
}
