package agent_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
)

// slots are the authorities of a service, and what it publishes of them.
type slots struct {
	t *testing.T

	mu        sync.Mutex
	active    *agenttest.Authority
	published *agent.Published
}

func (s *slots) issue() *agent.Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	identity := s.active.Issue(s.t, "web", fleetLife)
	identity.Bundle = s.published.Bundle
	identity.RenewAt = time.Now().Add(fleetLife*3/10 + rand.N(fleetLife*4/10))
	return identity
}

func (s *slots) refresh(context.Context) (*agent.Published, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.published, nil
}

// step changes what is issued by and published.
func (s *slots) step(active *agenttest.Authority, bundle *spiffebundle.Bundle, tainted ...*agenttest.Authority) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active, s.published = active, &agent.Published{Bundle: bundle}
	for _, a := range tainted {
		s.published.Tainted = append(s.published.Tainted, evidence.Digest(sha256.Sum256(a.Root.Raw)))
	}
}

// court decides who accepts whom. It remembers what it decided.
type court map[struct {
	leaf   *x509.Certificate
	bundle *spiffebundle.Bundle
}]bool

func (c court) accepts(bundle *spiffebundle.Bundle, i *agent.Identity) bool {
	key := struct {
		leaf   *x509.Certificate
		bundle *spiffebundle.Bundle
	}{i.Certificate.Leaf, bundle}
	if verdict, known := c[key]; known {
		return verdict
	}
	roots := x509.NewCertPool()
	for _, root := range bundle.X509Authorities() {
		roots.AddCert(root)
	}
	_, err := i.Certificate.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	c[key] = err == nil
	return err == nil
}

// The authority is replaced while machines renew: prepared, activated, the one before tainted and
// withdrawn. At every moment every machine has an identity that every other accepts, and what
// was stolen of the old authority is accepted by nobody in the end.
func TestAttack_K22_H11_RotationUnderLoad(t *testing.T) {
	const machines = 100
	synctest.Test(t, func(t *testing.T) {
		first, next := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
		authorities := &slots{t: t}
		authorities.step(first, first.Bundle(1))
		service := &crowded{issue: authorities.issue, places: 20}
		verdicts := court{}
		run(t, machines, agent.Config{Obtain: service.obtain, Refresh: authorities.refresh}, func(agents []*agent.Agent) {
			within(t, time.Minute, agents)
			stolen := authorities.issue()
			// watch looks at everybody until done is so, which may take so long, or for all of that.
			watch := func(step string, limit time.Duration, done func(*agent.Identity) bool) {
				t.Helper()
				service.look(false)
				for _, a := range agents {
					a.Heed(&register{}) // with the authorities the lists change
				}
				began, took := time.Now(), time.Duration(-1)
				for time.Since(began) < limit {
					after(time.Second)
					bundles, all := map[*spiffebundle.Bundle]bool{}, true
					for _, a := range agents {
						v := view(a)
						if v.Identity == nil {
							t.Fatalf("%s: a machine has no identity: %+v", step, v.Status)
						}
						bundles[v.Identity.Bundle] = true
						all = all && done(v.Identity)
					}
					for bundle := range bundles {
						for _, a := range agents {
							if !verdicts.accepts(bundle, view(a).Identity) {
								t.Fatalf("%s: a machine refuses another", step)
							}
						}
					}
					if all && took < 0 {
						took = time.Since(began)
					}
				}
				if took < 0 {
					t.Fatalf("%s: not everybody follows within %v", step, limit)
				}
				asked := service.look(false)
				t.Logf("%s: all %d follow after %v; %d requests, %d in the second with most", step, machines, took, len(asked), peak(asked))
				if most := peak(asked); most > machines/3 {
					t.Errorf("%s: %d ask in one second", step, most)
				}
			}
			authorities.step(first, first.Bundle(2, next))
			watch("prepare", 2*time.Minute, func(i *agent.Identity) bool { return len(i.Bundle.X509Authorities()) == 2 })
			authorities.step(next, first.Bundle(3, next))
			watch("activate", 2*time.Minute, func(*agent.Identity) bool { return true })
			below := next.Bundle(0)
			authorities.step(next, first.Bundle(4, next), first)
			watch("taint", 2*time.Minute, func(i *agent.Identity) bool { return verdicts.accepts(below, i) })
			gone := next.Bundle(5)
			authorities.step(next, gone)
			watch("revoke", time.Minute, func(i *agent.Identity) bool { return len(i.Bundle.X509Authorities()) == 1 })
			for _, a := range agents {
				if verdicts.accepts(view(a).Identity.Bundle, stolen) {
					t.Fatal("somebody accepts what was stolen")
				}
			}
		})
	})
}

// A root that is dropped before anybody could prepare takes its cohort with it: each member attests
// anew within seconds of hearing of it, not all in one second, and is accepted again.
func TestRootIsDropped(t *testing.T) {
	const machines = 100
	synctest.Test(t, func(t *testing.T) {
		first, next := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
		authorities := &slots{t: t}
		authorities.step(first, first.Bundle(1))
		service := &crowded{issue: authorities.issue, places: machines}
		verdicts := court{}
		run(t, machines, agent.Config{Obtain: service.obtain, Refresh: authorities.refresh}, func(agents []*agent.Agent) {
			within(t, time.Minute, agents)
			service.look(false)
			only := next.Bundle(2)
			authorities.step(next, only)
			for _, a := range agents {
				a.Heed(&register{})
			}
			after(16 * time.Second) // ten to look, five to attest
			for _, a := range agents {
				if i := view(a).Identity; !verdicts.accepts(only, i) || !i.Bundle.Equal(only) {
					t.Fatal("a machine has what nobody accepts")
				}
			}
			asked := service.look(false)
			t.Logf("all %d have another after %v; %d requests in the second with most", machines, asked[len(asked)-1].Sub(asked[0]).Round(time.Millisecond), peak(asked))
			if len(asked) != machines || peak(asked) > machines/3 {
				t.Errorf("asked %d times, %d in one second", len(asked), peak(asked))
			}
		})
	})
}
