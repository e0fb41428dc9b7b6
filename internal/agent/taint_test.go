package agent_test

import (
	"crypto/sha256"
	"testing"
	"testing/synctest"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
)

// Who is below a tainted root attests at once, and nobody else.
func TestTaintedAuthority(t *testing.T) {
	bubble(t, agent.Config{}, func(t *testing.T, s *service, a *agent.Agent) {
		synctest.Wait()
		first := view(a).Identity
		other := agenttest.NewAuthority(t)
		tainted := evidence.Digest(sha256.Sum256(s.authority.Root.Raw))
		a.Taint([]evidence.Digest{sha256.Sum256(other.Root.Raw)})
		a.Taint(nil)
		synctest.Wait()
		if len(s.requests()) != 1 {
			t.Error("the agent attests for a root that is not its own")
		}
		s.mu.Lock()
		s.authority = other
		s.mu.Unlock()
		a.Taint([]evidence.Digest{tainted})
		synctest.Wait()
		if len(s.requests()) != 2 || view(a).Identity.Certificate == first.Certificate {
			t.Errorf("asked %d times", len(s.requests()))
		}
		a.Taint([]evidence.Digest{tainted})
		synctest.Wait()
		if len(s.requests()) != 2 {
			t.Error("the agent attests although it has left the tainted authority")
		}
	})
}
