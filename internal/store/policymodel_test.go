package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
)

// model is what a ledger of policies should do, in the simplest words.
type model struct {
	active    string
	applied   int64
	events    int64
	proposals []*modelProposal
	shadow    string
}

type modelProposal struct {
	name, base, state string
	expires           int   // hours
	on                int64 // number of the set in force when it was made
	approved          []string
}

func (m *model) open(id int64, name string, hour int) (*modelProposal, evidence.Code) {
	if id < 1 || id > int64(len(m.proposals)) || m.proposals[id-1].name != name {
		return nil, evidence.CodePolicyProposalUnknown
	}
	p := m.proposals[id-1]
	if p.state != "open" || hour >= p.expires {
		return nil, evidence.CodePolicyProposalClosed
	}
	return p, evidence.Code{}
}

func (m *model) apply(name, base string) evidence.Code {
	if base != m.active {
		return evidence.CodePolicyConflict
	}
	m.active, m.applied = name, m.applied+1
	return evidence.Code{}
}

func (m *model) approve(id int64, name, who string, hour int) evidence.Code {
	p, code := m.open(id, name, hour)
	switch {
	case p == nil:
		return code
	case p.base != m.active || p.on != m.applied:
		return evidence.CodePolicyConflict
	case slices.Contains(p.approved, who):
		return evidence.CodePolicyProposalApproved
	}
	p.approved = append(p.approved, who)
	return evidence.Code{}
}

func (m *model) applyProposal(id int64, name string, hour int) evidence.Code {
	p, code := m.open(id, name, hour)
	if p == nil {
		return code
	}
	if p.on != m.applied {
		return evidence.CodePolicyConflict
	}
	if code = m.apply(p.name, p.base); code.IsZero() {
		p.state = "applied"
	}
	return code
}

// digestOf is the digest of the set that candidate makes of a name.
func digestOf(name string) string {
	if name == "" {
		return ""
	}
	return "sha256:" + name
}

// Whatever administrators do in whatever order, with restarts in between, the
// ledger does as the model, and its chain holds.
func TestPoliciesLikeTheModel(t *testing.T) {
	names, admins := []string{"a", "b", "c"}, []string{"alice", "bob", "carol"}
	rapid.Check(t, func(r *rapid.T) {
		path := filepath.Join(t.TempDir(), "quotary.db")
		s := open(t, path)
		m := &model{}
		for hour := range rapid.IntRange(1, 25).Draw(r, "steps") {
			name, who := rapid.SampledFrom(names).Draw(r, "set"), rapid.SampledFrom(admins).Draw(r, "who")
			base := rapid.SampledFrom([]string{m.active, m.active, m.active, "", "a", "b"}).Draw(r, "base")
			id, event := rapid.Int64Range(0, int64(len(m.proposals))).Draw(r, "proposal"), by(who, "x", hour)
			if id > 0 && rapid.IntRange(0, 9).Draw(r, "another set's digest") > 0 {
				name = m.proposals[id-1].name
			}
			var want evidence.Code
			var err error
			switch rapid.IntRange(0, 6).Draw(r, "act") {
			case 0:
				want = m.apply(name, base)
				_, err = s.ApplyPolicy(t.Context(), event, candidate(name, digestOf(base)))
			case 1:
				if base != m.active {
					want = evidence.CodePolicyConflict
				} else {
					m.proposals = append(m.proposals, &modelProposal{name: name, base: base, state: "open", expires: hour + 6, on: m.applied})
				}
				_, err = s.Propose(t.Context(), event, candidate(name, digestOf(base)), 6*time.Hour)
			case 2, 3:
				want = m.approve(id, name, who, hour)
				_, err = s.Approve(t.Context(), event, id, digestOf(name), who, "")
			case 4:
				want = m.applyProposal(id, name, hour)
				_, err = s.ApplyProposal(t.Context(), event, id, digestOf(name))
			case 5:
				var p *modelProposal
				if id > 0 {
					name = m.proposals[id-1].name
				}
				if p, want = m.open(id, name, hour); p != nil {
					p.state = "withdrawn"
				}
				_, err = s.Withdraw(t.Context(), event, id)
			case 6:
				m.shadow = name
				c := candidate(name, "")
				err = s.SetShadow(t.Context(), event, &c)
			}
			if evidence.CodeOf(err) != want || (err == nil) != want.IsZero() {
				r.Fatalf("got %v, want %v", err, want)
			}
			if err == nil {
				m.events++
			}
			if rapid.IntRange(0, 9).Draw(r, "restart") == 0 {
				s.Close()
				s = open(t, path)
			}
		}
		m.compare(t, s)
		s.Close()
	})
}

func (m *model) compare(t *testing.T, s *store.Store) {
	t.Helper()
	holds(t, s, m.events, 0)
	active(t, s, m.applied, m.active)
	if shadow, err := s.Shadow(t.Context()); err != nil || (shadow == nil) != (m.shadow == "") || shadow != nil && shadow.Digest != digestOf(m.shadow) {
		t.Errorf("the shadow is %+v, want %q: %v", shadow, m.shadow, err)
	}
	list, err := s.Proposals(t.Context(), 0, 100)
	if err != nil || len(list) != len(m.proposals) {
		t.Fatal(len(list), err)
	}
	for n, p := range m.proposals {
		got := list[len(list)-1-n]
		var approved []string
		for _, a := range got.Approvals {
			approved = append(approved, a.By)
		}
		if got.Digest != digestOf(p.name) || string(got.State) != p.state || !slices.Equal(approved, p.approved) {
			t.Errorf("proposal %d is %+v, want %+v", n+1, got, p)
		}
	}
}

// Whoever reads while sets are applied sees one of them, whole.
func TestAttack_Y14_ReadersSeeWholeSets(t *testing.T) {
	s := fresh(t)
	applies(t, s, "0")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			last := int64(0)
			for {
				set, err := s.ActivePolicy(context.Background())
				switch {
				case err != nil:
					t.Error(err)
					return
				case set.Seq < last || digestOf(string(set.Documents[1].Data)[len("name: "):]) != set.Digest:
					t.Errorf("after set %d: %+v", last, set)
					return
				}
				last = set.Seq
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for n := range 50 {
		if _, err := s.ApplyPolicy(t.Context(), by("alice", "x", n), candidate(fmt.Sprint(n+1), digestOf(fmt.Sprint(n)))); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
	holds(t, s, 51, 0)
}
