package store_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// by is an administrator's event, so many hours into the test.
func by(who, action string, hours int) store.Event {
	return store.Event{Time: now.Add(time.Duration(hours) * time.Hour), Actor: who, Action: action, Outcome: store.Done}
}

// candidate is a set of this name that is to replace base: one document of its
// own, and one that all sets have in common.
func candidate(name, base string) store.Candidate {
	return store.Candidate{
		Digest: "sha256:" + name, Base: base, Author: "alice", Comment: "for " + name,
		Documents: []policies.File{{Name: "common.yaml", Data: []byte("kind: ReferenceValues")}, {Name: "web.yaml", Data: []byte("name: " + name)}},
	}
}

// applies applies the named sets one after the other, the first as the first of all.
func applies(t *testing.T, s *store.Store, names ...string) {
	t.Helper()
	base := ""
	if active, err := s.ActivePolicy(t.Context()); err != nil {
		t.Fatal(err)
	} else if active != nil {
		base = active.Digest
	}
	for n, name := range names {
		c := candidate(name, base)
		if _, err := s.ApplyPolicy(t.Context(), by("alice", "policy.apply", n), c); err != nil {
			t.Fatalf("set %s: %v", name, err)
		}
		base = c.Digest
	}
}

// active fails the test unless the set of this name is in force.
func active(t *testing.T, s *store.Store, seq int64, name string) {
	t.Helper()
	set, err := s.ActivePolicy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if seq == 0 && set != nil || seq != 0 && (set == nil || set.Seq != seq || set.Digest != "sha256:"+name) {
		t.Errorf("active is %+v, want set %d, %s", set, seq, name)
	}
}

func TestApply(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotary.db")
	s := open(t, path)
	active(t, s, 0, "")
	applies(t, s, "a", "b", "c")
	s.Close()
	s = open(t, path)
	active(t, s, 3, "c")
	got, err := s.ActivePolicy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := &store.PolicySet{Seq: 3, Candidate: candidate("c", "sha256:b"), Time: now.Add(2 * time.Hour), Approvals: []store.Approval{}, Hash: got.Hash}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	second, err := s.PolicyAt(t.Context(), 2)
	if err != nil || !reflect.DeepEqual(second.Candidate, candidate("b", "sha256:a")) {
		t.Errorf("set 2 is %+v, %v", second, err)
	}
	for _, seq := range []int64{0, -1, 4} {
		if _, err := s.PolicyAt(t.Context(), seq); evidence.CodeOf(err) != evidence.CodePolicySetUnknown {
			t.Errorf("set %d: %v", seq, err)
		}
	}
	holds(t, s, 3, 0)
}

func TestHistory(t *testing.T) {
	s := fresh(t)
	applies(t, s, "a", "b", "c", "d", "e")
	var names []string
	for before := int64(0); ; {
		page, err := s.PolicyHistory(t.Context(), before, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, set := range page {
			names = append(names, strings.TrimPrefix(set.Digest, "sha256:"))
			if set.Documents != nil || len(set.Hash) != 32 || set.Comment == "" {
				t.Errorf("%+v", set)
			}
		}
		before = page[len(page)-1].Seq
	}
	if strings.Join(names, "") != "edcba" {
		t.Errorf("the history is %v", names)
	}
	for _, limit := range []int{0, -1, store.MaxPage + 1} {
		if _, err := s.PolicyHistory(t.Context(), 0, limit); evidence.CodeOf(err) != evidence.CodeLedgerQuery {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

func TestAttack_Y10_StaleBaseIsRefused(t *testing.T) {
	s := fresh(t)
	stale := func(c store.Candidate) {
		t.Helper()
		head, _ := s.Head(t.Context())
		if _, err := s.ApplyPolicy(t.Context(), by("alice", "policy.apply", 0), c); evidence.CodeOf(err) != evidence.CodePolicyConflict {
			t.Errorf("%s on %s: %v", c.Digest, c.Base, err)
		}
		if after, _ := s.Head(t.Context()); after.Seq != head.Seq {
			t.Error("a refused set left an event")
		}
	}
	stale(candidate("a", "sha256:x"))
	applies(t, s, "a", "b")
	stale(candidate("c", ""))
	stale(candidate("c", "sha256:a"))
	stale(candidate("b", "sha256:a"))
	active(t, s, 2, "b")
	if n, err := s.QueryInt("SELECT count(*) FROM policy_documents"); err != nil || n != 3 {
		t.Errorf("%d documents, %v", n, err)
	}
	holds(t, s, 2, 0)
}

// A set that was in force before comes back by a change of its own, on the record.
func TestRollBack(t *testing.T) {
	s := fresh(t)
	applies(t, s, "a", "b")
	old, err := s.PolicyAt(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	back := old.Candidate
	back.Base = "sha256:b"
	if seq, err := s.ApplyPolicy(t.Context(), by("bob", "policy.rollback", 3), back); err != nil || seq != 3 {
		t.Fatal(seq, err)
	}
	active(t, s, 3, "a")
	holds(t, s, 3, 0)
}

// A hundred administrators start from one set: one of them wins, and the history
// has one change.
func TestAttack_Y14_ConcurrentApplies(t *testing.T) {
	s := fresh(t)
	applies(t, s, "a")
	var ready sync.WaitGroup
	const callers = 100
	ready.Add(callers)
	type outcome struct {
		name string
		seq  int64
		err  error
	}
	outcomes := make(chan outcome, callers)
	for n := range callers {
		go func() {
			name := fmt.Sprintf("b%d", n)
			ready.Done()
			ready.Wait()
			seq, err := s.ApplyPolicy(context.Background(), by(name, "policy.apply", 1), candidate(name, "sha256:a"))
			outcomes <- outcome{name, seq, err}
		}()
	}
	winner := ""
	for range callers {
		switch o := <-outcomes; {
		case o.err == nil && winner == "" && o.seq == 2:
			winner = o.name
		case evidence.CodeOf(o.err) != evidence.CodePolicyConflict:
			t.Errorf("%s: set %d, %v", o.name, o.seq, o.err)
		}
	}
	active(t, s, 2, winner)
	holds(t, s, 2, 0)
}

// A refused change costs neither the issuances beside it in the transaction nor
// the change that won.
func TestRefusedApplyCostsOnlyItself(t *testing.T) {
	s := fresh(t)
	applies(t, s, "a")
	gate, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	transactions := 0 // touched by the committer alone
	s.SetFault(func(step string) error {
		if step == "begin" {
			transactions++
			once.Do(func() { close(held); <-gate })
		}
		return nil
	})
	var all sync.WaitGroup
	all.Go(func() { records(t, s, refused()) })
	<-held
	errs := make(chan error, 10)
	for n := range 10 {
		all.Go(func() { records(t, s, issued(n+1)) })
		all.Go(func() {
			_, err := s.ApplyPolicy(context.Background(), by("bob", "policy.apply", 1), candidate(fmt.Sprint(n), "sha256:a"))
			errs <- err
		})
	}
	time.Sleep(50 * time.Millisecond)
	close(gate)
	all.Wait()
	won := 0
	for range 10 {
		if err := <-errs; err == nil {
			won++
		} else if evidence.CodeOf(err) != evidence.CodePolicyConflict {
			t.Error(err)
		}
	}
	if won != 1 || transactions > 3 {
		t.Errorf("%d changes won, in %d transactions", won, transactions)
	}
	s.SetFault(func(string) error { return nil })
	holds(t, s, 13, 10)
}

// What sets have in common is kept once, and an empty document is one as well.
func TestDocumentsAreKeptOnce(t *testing.T) {
	s := fresh(t)
	large := bytes.Repeat([]byte("- 0123456789abcdef\n"), 300_000) // 5.7 MB
	base := ""
	for n := range 20 {
		c := candidate(fmt.Sprint(n), base)
		c.Documents = append(c.Documents, policies.File{Name: "large.yaml", Data: large}, policies.File{Name: "empty.yaml"}, policies.File{Name: "web.yaml"})
		if _, err := s.ApplyPolicy(t.Context(), by("alice", "policy.apply", n), c); err != nil {
			t.Fatal(err)
		}
		base = c.Digest
	}
	if n, err := s.QueryInt("SELECT count(*) FROM policy_documents"); err != nil || n != 23 {
		t.Errorf("%d documents, %v", n, err)
	}
	if size, err := s.QueryInt("SELECT sum(length(content)) FROM policy_documents"); err != nil || size > 6_000_000 {
		t.Errorf("%d bytes, %v", size, err)
	}
	set, err := s.PolicyAt(t.Context(), 7)
	if err != nil || len(set.Documents) != 5 || !bytes.Equal(set.Documents[2].Data, large) || len(set.Documents[3].Data) != 0 {
		t.Errorf("set 7: %v", err)
	}
	holds(t, s, 20, 0)
}

func TestSetsAreBounded(t *testing.T) {
	s := fresh(t)
	for name, c := range map[string]struct {
		change func(*store.Candidate)
		code   evidence.Code
	}{
		"size":         {func(c *store.Candidate) { c.Documents[0].Data = make([]byte, store.MaxPolicySize) }, evidence.CodePolicyTooLarge},
		"count":        {func(c *store.Candidate) { c.Documents = make([]policies.File, store.MaxPolicyDocuments+1) }, evidence.CodePolicyTooLarge},
		"name":         {func(c *store.Candidate) { c.Documents[0].Name = strings.Repeat("x", 3000) }, evidence.CodeRequestMalformed},
		"name's bytes": {func(c *store.Candidate) { c.Documents[0].Name = "\xff" }, evidence.CodeRequestMalformed},
		"comment":      {func(c *store.Candidate) { c.Comment = strings.Repeat("x", 3000) }, evidence.CodeRequestMalformed},
		"no digest":    {func(c *store.Candidate) { c.Digest = "" }, evidence.CodeRequestMalformed},
		"base":         {func(c *store.Candidate) { c.Base = strings.Repeat("x", 3000) }, evidence.CodeRequestMalformed},
		"no author":    {func(c *store.Candidate) { c.Author = "" }, evidence.Code{}},
	} {
		e := candidate("a", "")
		c.change(&e)
		_, apply := s.ApplyPolicy(t.Context(), by("alice", "x", 0), e)
		_, propose := s.Propose(t.Context(), by("alice", "x", 0), e, time.Hour)
		for _, err := range []error{apply, propose, s.SetShadow(t.Context(), by("alice", "x", 0), &e)} {
			if err == nil || evidence.CodeOf(err) != c.code {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	holds(t, s, 0, 0)
}

// The history's encoding is a format: its hashes are shown to administrators, who
// may keep them.
func TestHistoryGolden(t *testing.T) {
	s := fresh(t)
	applies(t, s, "a")
	p := proposes(t, s, "b", "sha256:a")
	approves(t, s, p, "bob")
	if _, err := s.ApplyProposal(t.Context(), by("bob", "policy.apply", 3), p.ID, p.Digest); err != nil {
		t.Fatal(err)
	}
	c := candidate("c", "")
	if err := s.SetShadow(t.Context(), by("alice", "policy.shadow", 4), &c); err != nil {
		t.Fatal(err)
	}
	set, err := s.ActivePolicy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const history, chain = "f7c79c6f16380077746da961df4104fd09bf4de633740f40f3b10ce2b229f524", "c5c48348cbbd508471c818de61835bf21ed24a04e9382c2904520329d69312f9"
	if set.Hash.String() != history || head.Hash.String() != chain {
		t.Errorf("the history ends with %s, want %s; the chain with %s, want %s", set.Hash, history, head.Hash, chain)
	}
}
