package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
)

// proposes proposes the named set for a day, by alice.
func proposes(t *testing.T, s *store.Store, name, base string) store.Proposal {
	t.Helper()
	p, err := s.Propose(t.Context(), by("alice", "policy.propose", 1), candidate(name, base), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func approves(t *testing.T, s *store.Store, p store.Proposal, who ...string) (after store.Proposal) {
	t.Helper()
	for _, name := range who {
		var err error
		if after, err = s.Approve(t.Context(), by(name, "policy.approve", 2), p.ID, p.Digest, name, ""); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return after
}

// leaves fails the test unless the call was refused with this code and left no trace.
func leaves(t *testing.T, s *store.Store, code evidence.Code, call func() error) {
	t.Helper()
	before, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := call(); err == nil || evidence.CodeOf(err) != code {
		t.Errorf("got %v, want a refusal with %s", err, code)
	}
	after, err := s.Head(t.Context())
	if err != nil || after.Seq != before.Seq || after.Hash.String() != before.Hash.String() {
		t.Errorf("a refused change left a trace: %v, %v", after, err)
	}
	if _, _, err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestProposal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotary.db")
	s := open(t, path)
	applies(t, s, "a")
	p := proposes(t, s, "b", "sha256:a")
	active(t, s, 1, "a")
	after := approves(t, s, p, "alice", "bob", "carol")
	if after.Others() != 2 || len(after.Approvals) != 3 || after.Approvals[0].By != "alice" || !after.Approvals[1].Time.Equal(now.Add(2*time.Hour)) {
		t.Errorf("after the approvals: %+v", after)
	}
	s.Close()
	s = open(t, path)
	whole, err := s.Proposal(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := after
	want.Documents = candidate("b", "").Documents
	if !reflect.DeepEqual(whole, want) {
		t.Errorf("got %+v, want %+v", whole, want)
	}
	seq, err := s.ApplyProposal(t.Context(), by("bob", "policy.apply", 3), p.ID, p.Digest)
	if err != nil || seq != 2 {
		t.Fatal(seq, err)
	}
	active(t, s, 2, "b")
	set, err := s.ActivePolicy(t.Context())
	if err != nil || set.Proposal != p.ID || set.Author != "alice" || !reflect.DeepEqual(set.Approvals, after.Approvals) || !reflect.DeepEqual(set.Documents, want.Documents) {
		t.Errorf("the set is %+v, %v", set, err)
	}
	holds(t, s, 6, 0)
}

func TestClosedProposals(t *testing.T) {
	s := fresh(t)
	applied, withdrawn := proposes(t, s, "a", ""), proposes(t, s, "b", "")
	expired, stale := proposes(t, s, "c", ""), proposes(t, s, "d", "")
	if _, err := s.Withdraw(t.Context(), by("alice", "policy.withdraw", 2), withdrawn.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ApplyProposal(t.Context(), by("alice", "policy.apply", 2), applied.ID, applied.Digest); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id     int64
		digest string
		hours  int
		code   evidence.Code
	}{
		"applied":    {applied.ID, applied.Digest, 3, evidence.CodePolicyProposalClosed},
		"withdrawn":  {withdrawn.ID, withdrawn.Digest, 3, evidence.CodePolicyProposalClosed},
		"expired":    {expired.ID, expired.Digest, 25, evidence.CodePolicyProposalClosed},
		"stale":      {stale.ID, stale.Digest, 3, evidence.CodePolicyConflict},
		"unknown":    {99, stale.Digest, 3, evidence.CodePolicyProposalUnknown},
		"none":       {0, stale.Digest, 3, evidence.CodePolicyProposalUnknown},
		"negative":   {-1, stale.Digest, 3, evidence.CodePolicyProposalUnknown},
		"of another": {stale.ID, expired.Digest, 3, evidence.CodePolicyProposalUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			leaves(t, s, c.code, func() error {
				_, err := s.Approve(t.Context(), by("bob", "policy.approve", c.hours), c.id, c.digest, "bob", "")
				return err
			})
			leaves(t, s, c.code, func() error {
				_, err := s.ApplyProposal(t.Context(), by("bob", "policy.apply", c.hours), c.id, c.digest)
				return err
			})
			if name == "stale" || name == "of another" {
				return // whatever is open can be withdrawn
			}
			leaves(t, s, c.code, func() error {
				_, err := s.Withdraw(t.Context(), by("bob", "policy.withdraw", c.hours), c.id)
				return err
			})
		})
	}
	if stale.Live(now.Add(25*time.Hour)) || !stale.Live(now.Add(24*time.Hour)) {
		t.Error("a proposal is live at the wrong time")
	}
	list, err := s.Proposals(t.Context(), 0, 3)
	if err != nil || len(list) != 3 || list[0].ID != 4 || list[0].State != store.ProposalOpen || list[2].State != store.ProposalWithdrawn {
		t.Errorf("%+v, %v", list, err)
	}
	list, err = s.Proposals(t.Context(), 2, 3)
	if err != nil || len(list) != 1 || list[0].State != store.ProposalApplied || list[0].Documents != nil {
		t.Errorf("%+v, %v", list, err)
	}
}

// A proposal that another set came before ends for good: a roll-back to what it
// was made on does not bring it back, nor the approvals that it had.
func TestAttack_Y10_OvertakenProposalStaysClosed(t *testing.T) {
	s := fresh(t)
	applies(t, s, "a")
	old := proposes(t, s, "hole", "sha256:a")
	approves(t, s, old, "alice")
	applies(t, s, "b", "a")
	active(t, s, 3, "a")
	leaves(t, s, evidence.CodePolicyConflict, func() error {
		_, err := s.Approve(t.Context(), by("bob", "policy.approve", 2), old.ID, old.Digest, "bob", "")
		return err
	})
	leaves(t, s, evidence.CodePolicyConflict, func() error {
		_, err := s.ApplyProposal(t.Context(), by("bob", "policy.apply", 2), old.ID, old.Digest)
		return err
	})
	whole, err := s.Proposal(t.Context(), old.ID)
	list, listErr := s.Proposals(t.Context(), 0, 1)
	if err != nil || listErr != nil || !whole.Overtaken || whole.Live(now) || !list[0].Overtaken {
		t.Errorf("%+v, %v; %+v, %v", whole, err, list, listErr)
	}
	anew := proposes(t, s, "hole", "sha256:a")
	approves(t, s, anew, "alice", "bob")
	if _, err := s.ApplyProposal(t.Context(), by("bob", "policy.apply", 3), anew.ID, anew.Digest); err != nil {
		t.Error(err)
	}
}

// An administrator counts once, however many requests they send.
func TestConcurrentApprovals(t *testing.T) {
	s := fresh(t)
	p := proposes(t, s, "a", "")
	var ready sync.WaitGroup
	const callers = 100
	ready.Add(callers)
	errs := make(chan error, callers)
	for n := range callers {
		go func() {
			who := fmt.Sprintf("admin %d", n%10)
			ready.Done()
			ready.Wait()
			_, err := s.Approve(context.Background(), by(who, "policy.approve", 2), p.ID, p.Digest, who, "")
			errs <- err
		}()
	}
	won := 0
	for range callers {
		switch err := <-errs; {
		case err == nil:
			won++
		case evidence.CodeOf(err) != evidence.CodePolicyProposalApproved:
			t.Error(err)
		}
	}
	after, err := s.Proposal(t.Context(), p.ID)
	if err != nil || won != 10 || after.Others() != 10 {
		t.Errorf("%d approvals were taken; %+v, %v", won, after, err)
	}
	holds(t, s, 11, 0)
}

// Of an approval, a withdrawal and an application that meet, no set comes into
// force by a proposal that is withdrawn.
func TestWithdrawnWhileApplied(t *testing.T) {
	for range 20 {
		s := fresh(t)
		p := proposes(t, s, "a", "")
		var both sync.WaitGroup
		var withdrawal, application error
		both.Go(func() { _, withdrawal = s.Withdraw(context.Background(), by("alice", "x", 2), p.ID) })
		both.Go(func() { _, application = s.ApplyProposal(context.Background(), by("bob", "x", 2), p.ID, p.Digest) })
		both.Wait()
		if (withdrawal == nil) == (application == nil) {
			t.Fatalf("withdrawn: %v, applied: %v", withdrawal, application)
		}
		holds(t, s, 2, 0)
	}
}

func TestProposalsAreBounded(t *testing.T) {
	s := fresh(t)
	proposed := func(name, base, author string, hours int) error {
		c := candidate(name, base)
		c.Author = author
		_, err := s.Propose(t.Context(), by(author, "policy.propose", hours), c, 24*time.Hour)
		return err
	}
	for n := range store.MaxProposals {
		if err := proposed(fmt.Sprint(n), "", fmt.Sprint("admin ", n/store.MaxProposalsOfOne), 1); err != nil {
			t.Fatal(n, err)
		}
		if own := n + 1; own%store.MaxProposalsOfOne == 0 && own < store.MaxProposals { // nobody alone keeps the others from it
			leaves(t, s, evidence.CodePolicyProposals, func() error { return proposed("more", "", fmt.Sprint("admin ", n/store.MaxProposalsOfOne), 1) })
		}
	}
	propose := func(hours int) error { return proposed("more", "", "alice", hours) }
	leaves(t, s, evidence.CodePolicyProposals, func() error { return propose(2) })
	if _, err := s.Withdraw(t.Context(), by("alice", "policy.withdraw", 2), 7); err != nil {
		t.Fatal(err)
	}
	if err := propose(2); err != nil {
		t.Error(err)
	}
	leaves(t, s, evidence.CodePolicyProposals, func() error { return propose(2) })
	if err := propose(25); err != nil { // the others have expired
		t.Error(err)
	}
	applies(t, s, "a")
	for n := range store.MaxProposalsOfOne { // those that were overtaken count no longer
		if err := proposed(fmt.Sprint(n), "sha256:a", "alice", 25); err != nil {
			t.Error(err)
		}
	}
	leaves(t, s, evidence.CodePolicyProposals, func() error { return proposed("more", "sha256:a", "alice", 25) })
	for _, life := range []time.Duration{0, -1, store.MaxProposalLife + 1} {
		if _, err := s.Propose(t.Context(), by("alice", "x", 26), candidate("b", ""), life); err == nil {
			t.Errorf("a life of %v", life)
		}
	}
}

func TestApprovalsAreBounded(t *testing.T) {
	s := fresh(t)
	p := proposes(t, s, "a", "")
	for n := range store.MaxApprovals {
		approves(t, s, p, fmt.Sprint(n))
	}
	leaves(t, s, evidence.CodePolicyProposals, func() error {
		_, err := s.Approve(t.Context(), by("x", "x", 2), p.ID, p.Digest, "one more", "")
		return err
	})
	if _, err := s.Approve(t.Context(), by("x", "x", 2), p.ID, p.Digest, "", ""); err == nil {
		t.Error("nobody approved")
	}
}

func TestShadow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotary.db")
	s := open(t, path)
	shadow := func(name string) {
		t.Helper()
		got, err := s.Shadow(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if name == "" && got != nil || name != "" && (got == nil || !reflect.DeepEqual(got.Candidate, candidate(name, "sha256:a")) || !got.Time.Equal(now.Add(time.Hour))) {
			t.Errorf("the shadow is %+v, want %q", got, name)
		}
	}
	set := func(c *store.Candidate) {
		t.Helper()
		if err := s.SetShadow(t.Context(), by("alice", "policy.shadow", 1), c); err != nil {
			t.Fatal(err)
		}
	}
	b, c := candidate("b", "sha256:a"), candidate("c", "sha256:a")
	shadow("")
	set(nil)
	shadow("")
	set(&b)
	shadow("b")
	set(&c)
	s.Close()
	s = open(t, path)
	shadow("c")
	set(nil)
	shadow("")
	active(t, s, 0, "")
	holds(t, s, 4, 0)
}

// Which certificate showed who approved is kept with the approval.
func TestApprovalNamesTheCertificate(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	p := proposes(t, s, "a", "")
	if _, err := s.Approve(t.Context(), by("bob", "policy.approve", 2), p.ID, p.Digest, "bob", "0a"); err != nil {
		t.Fatal(err)
	}
	kept, err := s.Proposal(t.Context(), p.ID)
	if err != nil || len(kept.Approvals) != 1 || kept.Approvals[0].Serial != "0a" {
		t.Errorf("%+v, %v", kept, err)
	}
}
