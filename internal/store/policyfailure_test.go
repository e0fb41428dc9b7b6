package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
)

// policyState is all that a reader sees of policies.
type policyState struct {
	Active    *store.PolicySet
	History   []store.PolicySet
	Proposals []store.Proposal
	Shadow    *store.Shadow
	Documents int64
}

func stateOf(t *testing.T, s *store.Store) (p policyState) {
	t.Helper()
	var errs [5]error
	p.Active, errs[0] = s.ActivePolicy(t.Context())
	p.History, errs[1] = s.PolicyHistory(t.Context(), 0, 100)
	p.Proposals, errs[2] = s.Proposals(t.Context(), 0, 100)
	p.Shadow, errs[3] = s.Shadow(t.Context())
	p.Documents, errs[4] = s.QueryInt("SELECT count(*) FROM policy_documents")
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return p
}

// begun is a ledger in which set b is active, d is proposed and c in the shadow.
func begun(t *testing.T) *store.Store {
	t.Helper()
	s := fresh(t)
	applies(t, s, "a", "b")
	approves(t, s, proposes(t, s, "d", "sha256:b"), "bob")
	shadow := candidate("c", "sha256:b")
	if err := s.SetShadow(t.Context(), by("alice", "policy.shadow", 3), &shadow); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 5, 0)
	return s
}

// changes are all the ways to change what begun has.
var changes = map[string]func(context.Context, *store.Store) error{
	"apply": func(ctx context.Context, s *store.Store) error {
		_, err := s.ApplyPolicy(ctx, by("alice", "policy.apply", 4), candidate("e", "sha256:b"))
		return err
	},
	"apply a proposal": func(ctx context.Context, s *store.Store) error {
		_, err := s.ApplyProposal(ctx, by("alice", "policy.apply", 4), 1, "sha256:d")
		return err
	},
	"propose": func(ctx context.Context, s *store.Store) error {
		_, err := s.Propose(ctx, by("alice", "policy.propose", 4), candidate("e", "sha256:b"), time.Hour)
		return err
	},
	"approve": func(ctx context.Context, s *store.Store) error {
		_, err := s.Approve(ctx, by("carol", "policy.approve", 4), 1, "sha256:d", "carol", "")
		return err
	},
	"withdraw": func(ctx context.Context, s *store.Store) error {
		_, err := s.Withdraw(ctx, by("alice", "policy.withdraw", 4), 1)
		return err
	},
	"set the shadow": func(ctx context.Context, s *store.Store) error {
		c := candidate("e", "sha256:b")
		return s.SetShadow(ctx, by("alice", "policy.shadow", 4), &c)
	},
	"end the shadow": func(ctx context.Context, s *store.Store) error {
		return s.SetShadow(ctx, by("alice", "policy.shadow", 4), nil)
	},
}

// Every write of every change fails once: nothing of it is in force or half-written,
// and the same change is taken afterwards.
func TestAttack_Y18_FailureOfEachWriteOfAPolicy(t *testing.T) {
	reached := map[string]bool{}
	for name, change := range changes {
		for _, step := range store.PolicySteps {
			t.Run(name+"/"+step, func(t *testing.T) {
				s := begun(t)
				before, hit := stateOf(t, s), false
				s.SetFault(func(at string) error {
					if at == step {
						hit = true
						return errors.New("no space left on device")
					}
					return nil
				})
				err := change(t.Context(), s)
				s.SetFault(func(string) error { return nil })
				if !hit {
					if err != nil {
						t.Fatal(err)
					}
					return // another change has this step
				}
				reached[step] = true
				if evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
					t.Errorf("got %v", err)
				}
				if diff := cmp.Diff(before, stateOf(t, s)); diff != "" {
					t.Errorf("a failed change left %s", diff)
				}
				holds(t, s, 5, 0)
				if err := change(t.Context(), s); err != nil {
					t.Errorf("after the failure: %v", err)
				}
				holds(t, s, 6, 0)
			})
		}
	}
	if len(reached) != len(store.PolicySteps) {
		t.Errorf("only %v failed", reached)
	}
}

// A copy of the files taken between any two writes is what a kill leaves behind:
// the set before is in force.
func TestAttack_H01_KilledBetweenWritesOfAPolicy(t *testing.T) {
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			s := begun(t)
			before := stateOf(t, s)
			path, err := s.Path()
			if err != nil {
				t.Fatal(err)
			}
			dir, copies := t.TempDir(), 0
			s.SetFault(func(string) error {
				copyFiles(t, path, filepath.Join(dir, fmt.Sprint(copies)))
				copies++
				return nil
			})
			if err := change(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			s.SetFault(func(string) error { return nil })
			for n := range copies {
				crashed := open(t, filepath.Join(dir, fmt.Sprint(n)))
				holds(t, crashed, 5, 0)
				if diff := cmp.Diff(before, stateOf(t, crashed)); diff != "" {
					t.Errorf("killed before write %d: %s", n, diff)
				}
			}
			after := stateOf(t, s)
			copyFiles(t, path, filepath.Join(dir, "after"))
			crashed := open(t, filepath.Join(dir, "after"))
			holds(t, crashed, 6, 0)
			if diff := cmp.Diff(after, stateOf(t, crashed)); diff != "" || copies < 5 {
				t.Errorf("killed after %d writes: %s", copies, diff)
			}
		})
	}
}

// A commit that is durable although it was reported as failed: what the ledger
// says is in force, and the same change again is refused.
func TestAttack_Y18_PolicyPersistedButFailed(t *testing.T) {
	s := begun(t)
	s.SetFault(func(at string) error {
		if at != "commit" {
			return nil
		}
		if err := s.ExecWriter("COMMIT"); err != nil {
			t.Error(err)
		}
		return errors.New("input/output error")
	})
	if err := changes["apply"](t.Context(), s); evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
		t.Errorf("got %v", err)
	}
	s.SetFault(func(string) error { return nil })
	active(t, s, 3, "e")
	leaves(t, s, evidence.CodePolicyConflict, func() error { return changes["apply"](t.Context(), s) })
	holds(t, s, 6, 0)
}

func TestAttack_H08_FullDiskUnderAPolicy(t *testing.T) {
	s := begun(t)
	before := stateOf(t, s)
	pages, err := s.QueryInt("SELECT page_count FROM pragma_page_count")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ExecWriter(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
	large := candidate("large", "sha256:b")
	large.Documents[1].Data = make([]byte, 1<<20)
	apply := func() error {
		_, err := s.ApplyPolicy(t.Context(), by("alice", "policy.apply", 4), large)
		return err
	}
	leaves(t, s, evidence.CodeLedgerUnavailable, apply)
	if diff := cmp.Diff(before, stateOf(t, s)); diff != "" {
		t.Error(diff)
	}
	if err := s.ExecWriter("PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if err := apply(); err != nil {
		t.Errorf("with space again: %v", err)
	}
	active(t, s, 3, "large")
	holds(t, s, 6, 0)
}

// A change whose caller left may come into force; the ledger says whether it did.
func TestAttack_Y18_CallerLeaves(t *testing.T) {
	s := begun(t)
	gate, held := make(chan struct{}), make(chan struct{})
	s.SetFault(func(at string) error {
		if at == "begin" {
			close(held)
			<-gate
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- changes["apply"](ctx, s) }()
	<-held
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	active(t, s, 2, "b")
	close(gate)
	if err := s.Close(); err != nil { // waits for the committer
		t.Fatal(err)
	}
}
