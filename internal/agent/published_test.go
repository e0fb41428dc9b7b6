package agent_test

import (
	"context"
	"crypto/sha256"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
)

// Who is below a tainted root attests within a minute, once, and nobody else does.
func TestTaintedAuthority(t *testing.T) {
	var published atomic.Pointer[agent.Published]
	refresh := func(context.Context) (*agent.Published, error) { return published.Load(), nil }
	var old, other *agenttest.Authority
	publish := func(sequence uint64, tainted *agenttest.Authority) {
		p := &agent.Published{Bundle: old.Bundle(sequence, other)}
		if tainted != nil {
			p.Tainted = []evidence.Digest{sha256.Sum256(tainted.Root.Raw)}
		}
		published.Store(p)
	}
	synctest.Test(t, func(t *testing.T) {
		old, other = agenttest.NewAuthority(t), agenttest.NewAuthority(t)
		publish(1, nil)
		s := &service{t: t, authority: old, answer: granting}
		a := agent.New(agent.Config{Obtain: s.obtain, Refresh: refresh})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.Run(ctx) }()
		synctest.Wait()
		first := view(a).Identity
		publish(2, other)
		after(5 * time.Minute)
		if len(s.requests()) != 1 || view(a).Identity.Bundle.Equal(first.Bundle) {
			t.Error("the agent attests for a root that is not its own, or does not hand out the bundle")
		}
		s.mu.Lock()
		s.authority = other
		s.mu.Unlock()
		publish(3, old)
		after(2 * time.Minute)
		if len(s.requests()) != 2 || view(a).Identity.Certificate == first.Certificate {
			t.Errorf("asked %d times", len(s.requests()))
		}
		after(5 * time.Minute)
		if len(s.requests()) != 2 {
			t.Error("the agent attests although it has left the tainted authority")
		}
		publish(1, other)
		after(5 * time.Minute)
		if len(s.requests()) != 2 {
			t.Error("the agent goes by what was published before")
		}
		cancel()
		<-ended
	})
}

// An answer that was under way while the authority was replaced brings neither the withdrawn root
// back, nor does the agent keep an identity below that.
func TestAttack_K22_AnswerFromBeforeTheChange(t *testing.T) {
	var published atomic.Pointer[agent.Published]
	refresh := func(context.Context) (*agent.Published, error) {
		if p := published.Load(); p != nil {
			return p, nil
		}
		return nil, silent()
	}
	bubble(t, agent.Config{Refresh: refresh}, func(t *testing.T, s *service, a *agent.Agent) {
		synctest.Wait()
		s.becomes(func() error { time.Sleep(20 * time.Second); return nil })
		a.Hurry()
		after(time.Second)
		other := agenttest.NewAuthority(t)
		published.Store(&agent.Published{Bundle: other.Bundle(8)})
		s.mu.Lock()
		s.authority = other
		s.mu.Unlock()
		a.Heed(&register{})
		after(18 * time.Second) // it has learnt of that
		s.becomes(granting)
		after(time.Second)
		if n, _ := view(a).Identity.Bundle.SequenceNumber(); n != 8 {
			t.Errorf("the bundle is number %d", n)
		}
		after(15 * time.Second)
		if v := view(a); len(s.requests()) != 3 || v.Identity.Certificate.Leaf.CheckSignatureFrom(other.Root) != nil {
			t.Errorf("asked %d times; below the withdrawn root still: %+v", len(s.requests()), v.Status)
		}
	})
}
