package agent_test

import (
	"crypto/x509"
	"errors"
	"math/big"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
)

// register is what was revoked, as a test says.
type register struct {
	mu      sync.Mutex
	serials []*big.Int
	lists   [][]byte
	unknown error // nobody knows
}

func (r *register) Lists() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lists
}

func (r *register) Check(chain []*x509.Certificate) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, serial := range r.serials {
		if chain[0].SerialNumber.Cmp(serial) == 0 {
			return evidence.Errorf(evidence.CodeRevocationRevoked, "", "it is revoked")
		}
	}
	return r.unknown
}

func (r *register) revoke(i *agent.Identity) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serials = append(r.serials, i.Certificate.Leaf.SerialNumber)
}

// An identity that is revoked is withdrawn at once, and the agent asks for another within
// seconds: it has that, or is denied.
func TestAttack_B16_RevokedIdentity(t *testing.T) {
	bubble(t, agent.Config{}, func(t *testing.T, s *service, a *agent.Agent) {
		synctest.Wait()
		first, r := view(a).Identity, &register{lists: [][]byte{{1}}}
		a.Heed(r)
		synctest.Wait()
		if v := view(a); v.Identity.Certificate != first.Certificate || len(v.Identity.Lists) != 1 {
			t.Fatalf("%+v", v)
		}
		r.revoke(first)
		a.Heed(r)
		v := view(a)
		if v.Identity != nil || v.Status.State != agent.Revoked || v.Status.Reason == nil || !v.Status.Reason.Refused ||
			v.Status.Reason.Code != evidence.CodeRevocationRevoked.String() || v.Status.SPIFFEID != "" || v.Status.NextDue.After(time.Now().Add(5*time.Second)) {
			t.Fatalf("%+v, %+v", v.Status, v.Status.Reason)
		}
		after(5 * time.Second)
		second := view(a)
		if second.Identity == nil || second.Status.State != agent.Healthy || len(s.requests()) != 2 || len(second.Identity.Lists) != 1 {
			t.Fatalf("%+v, asked %d times", second.Status, len(s.requests()))
		}
		s.becomes(refusing)
		r.revoke(second.Identity)
		a.Heed(r)
		after(5 * time.Second)
		if v := view(a); v.Identity != nil || v.Status.State != agent.Denied {
			t.Errorf("%+v", v.Status)
		}
	})
}

// An attestation that is due anyway does not come later for a revocation.
func TestRevocationDelaysNothing(t *testing.T) {
	bubble(t, agent.Config{}, func(t *testing.T, s *service, a *agent.Agent) {
		synctest.Wait()
		after(life/2 - time.Millisecond)
		r := &register{}
		r.revoke(view(a).Identity)
		a.Heed(r)
		if after(time.Millisecond); len(s.requests()) != 2 {
			t.Errorf("asked %d times, and again at %v", len(s.requests()), view(a).Status.NextDue)
		}
	})
}

// Without an answer an identity that was revoked stays away, and the agent says why.
func TestRevokedAndNoAnswer(t *testing.T) {
	bubble(t, agent.Config{}, func(t *testing.T, s *service, a *agent.Agent) {
		synctest.Wait()
		s.becomes(silent)
		r := &register{}
		r.revoke(view(a).Identity)
		a.Heed(r)
		after(life)
		if v := view(a); v.Identity != nil || v.Status.State != agent.Revoked || v.Status.Failures == 0 {
			t.Errorf("%+v", v.Status)
		}
		s.becomes(granting)
		after(5 * time.Minute)
		if v := view(a); v.Identity == nil || v.Status.State != agent.Healthy {
			t.Errorf("%+v", v.Status)
		}
	})
}

// That nobody knows what is revoked takes nothing away; neither does what is revoked of others.
func TestNobodyKnowsWhatIsRevoked(t *testing.T) {
	for name, err := range map[string]error{
		"no list":   evidence.Errorf(evidence.CodeRevocationUnknown, "", "no list"),
		"something": errors.New("something"),
	} {
		bubble(t, agent.Config{}, func(t *testing.T, s *service, a *agent.Agent) {
			synctest.Wait()
			r := &register{unknown: err}
			r.revoke(agenttest.NewAuthority(t).Issue(t, "other", life))
			a.Heed(r)
			after(time.Minute)
			if v := view(a); v.Identity == nil || v.Status.State != agent.Healthy || len(s.requests()) != 1 {
				t.Errorf("%s: %+v", name, v.Status)
			}
		})
	}
}

// An identity that was revoked before the agent got it is not kept.
func TestRevokedBeforeItArrived(t *testing.T) {
	bubble(t, agent.Config{}, func(t *testing.T, s *service, a *agent.Agent) {
		synctest.Wait()
		next := s.authority.Issue(t, "web", life)
		r := &register{}
		r.revoke(next)
		a.Heed(r)
		s.mu.Lock()
		s.next = next
		s.mu.Unlock()
		a.Hurry()
		synctest.Wait()
		if v := view(a); v.Identity != nil || v.Status.State != agent.Revoked {
			t.Errorf("%+v", v.Status)
		}
	})
}

// Lists that would not fit into an answer are kept back, and count all the same.
func TestAttack_A19_LongListsAreKeptBack(t *testing.T) {
	bubble(t, agent.Config{}, func(t *testing.T, _ *service, a *agent.Agent) {
		synctest.Wait()
		r := &register{lists: [][]byte{make([]byte, 1<<20), {1}}}
		a.Heed(r)
		if v := view(a); len(v.Identity.Lists) != 0 {
			t.Errorf("%d lists are handed out", len(v.Identity.Lists))
		}
		r.revoke(view(a).Identity)
		if a.Heed(r); view(a).Identity != nil {
			t.Error("the lists do not count")
		}
	})
}

// Of a thousand whose identities are revoked at once, no more than some hundreds ask in any second.
func TestConcurrentRevocation(t *testing.T) {
	const machines = 1000
	synctest.Test(t, func(t *testing.T) {
		s := &service{t: t, authority: agenttest.NewAuthority(t), answer: granting}
		s.next = s.authority.Issue(t, "web", life)
		r := &register{}
		run(t, machines, agent.Config{Obtain: s.obtain}, func(agents []*agent.Agent) {
			synctest.Wait()
			r.revoke(s.next)
			s.mu.Lock()
			s.next = s.authority.Issue(t, "web", life)
			s.mu.Unlock()
			for _, a := range agents {
				a.Heed(r)
			}
			after(5 * time.Second)
			asked := s.requests()[machines:]
			if len(asked) != machines || holding(agents) != machines {
				t.Errorf("asked %d times, %d have an identity", len(asked), holding(agents))
			}
			t.Logf("%d revoked: %d requests in the second with most, all renewed after %v", machines, peak(asked), asked[len(asked)-1].Sub(asked[0]).Round(time.Millisecond))
			if most := peak(asked); most > machines/3 {
				t.Errorf("%d ask within a second", most)
			}
		})
	})
}
