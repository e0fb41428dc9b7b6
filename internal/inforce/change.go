package inforce

import (
	"context"
	"errors"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// Change asks for another set in place of the one in force.
type Change struct {
	Documents []policies.File
	Base      string // digest of the set in force that it is to replace
	Comment   string
	// Author is who asks, as admin.Principal.Actor has it.
	Author string
	// Consents says that the author is an owner, so that proposing it is their approval.
	Consents bool
}

// Outcome is what became of a change.
type Outcome struct {
	Plan
	Applied  bool
	Seq      int64           // in the history, if it was applied
	Proposal *store.Proposal // if it waits for approvals
}

// Rehearse says what a change would do, and refuses what [Policies.Apply] would.
func (p *Policies) Rehearse(ctx context.Context, change Change) (Outcome, error) {
	c, active, err := p.check(change)
	if err != nil {
		return Outcome{}, err
	}
	plan, err := p.plan(ctx, c, active)
	return Outcome{Plan: plan}, err
}

// check refuses a change that cannot be made now.
func (p *Policies) check(change Change) (*candidate, *Active, error) {
	if err := p.managed(); err != nil {
		return nil, nil, err
	}
	c, err := p.examine(change.Documents)
	if err != nil {
		return nil, nil, err
	}
	active := p.Active()
	if change.Base != active.Set.Digest() {
		return nil, nil, evidence.Errorf(evidence.CodePolicyConflict, "base", "the set in force is %s; look at what changed, and apply again on top of it", active.Set.Digest())
	}
	return c, active, nil
}

// managed refuses changes where files decide.
func (p *Policies) managed() error {
	if p.Mode == ByFiles {
		return evidence.Errorf(evidence.CodePolicyManagedByFiles, "", "the service's configuration names the policy files (policies); change these and reload, or take the key out of the configuration")
	}
	return nil
}

// Apply puts a set in force, or up for approval where several owners must agree.
// event is what the audit trail has of it.
func (p *Policies) Apply(ctx context.Context, event store.Event, change Change) (Outcome, error) {
	p.changing.Lock()
	defer p.changing.Unlock()
	c, active, err := p.check(change)
	if err != nil {
		return Outcome{}, err
	}
	plan, err := p.plan(ctx, c, active)
	if err != nil {
		return Outcome{}, err
	}
	wanted := store.Candidate{Digest: c.set.Digest(), Base: active.applied(), Documents: change.Documents, Author: change.Author, Comment: change.Comment}
	if p.Approvals > 1 {
		proposal, err := p.propose(ctx, event, wanted, change.Consents)
		return Outcome{Plan: plan, Proposal: &proposal}, err
	}
	seq, err := p.Ledger.ApplyPolicy(ctx, event, wanted)
	if err != nil {
		return Outcome{}, p.settle(ctx, err)
	}
	return Outcome{Plan: plan, Applied: true, Seq: seq}, p.take(ctx)
}

// settle is called when the ledger did not say whether a change was committed:
// whatever it has is in force. It returns the cause, with its own failure.
func (p *Policies) settle(ctx context.Context, cause error) error {
	if code := evidence.CodeOf(cause); !code.IsZero() && code != evidence.CodeLedgerUnavailable {
		return cause // a refusal: nothing was committed
	}
	if applied, err := p.Ledger.ActivePolicy(context.WithoutCancel(ctx)); err != nil || applied == nil {
		return errors.Join(cause, err)
	}
	return errors.Join(cause, p.take(ctx))
}

// applied is the digest of the set in force as the ledger knows it: empty while the
// folder decides.
func (a *Active) applied() string {
	if a.Applied == nil {
		return ""
	}
	return a.Applied.Digest
}

// propose puts a set up for approval.
func (p *Policies) propose(ctx context.Context, event store.Event, wanted store.Candidate, consents bool) (store.Proposal, error) {
	proposal, err := p.Ledger.Propose(ctx, event, wanted, proposalLife)
	if err != nil || !consents {
		return proposal, err
	}
	return p.Ledger.Approve(ctx, event, proposal.ID, proposal.Digest, wanted.Author)
}

// take puts in force what the ledger has as its last set.
func (p *Policies) take(ctx context.Context) error {
	applied, err := p.Ledger.ActivePolicy(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	a, err := fromLedger(applied)
	if err != nil {
		return err
	}
	p.active.Store(a)
	return nil
}

// Approve records an owner's consent to a proposal, which they name by its digest,
// too: they approve of what they saw. The set comes into force with the last
// approval that it needs; seq is then its number, else 0.
func (p *Policies) Approve(ctx context.Context, event store.Event, id int64, digest, by string) (proposal store.Proposal, seq int64, err error) {
	p.changing.Lock()
	defer p.changing.Unlock()
	if err := p.managed(); err != nil {
		return store.Proposal{}, 0, err
	}
	if proposal, err = p.Ledger.Approve(ctx, event, id, digest, by); err != nil {
		return store.Proposal{}, 0, err
	}
	if Agreed(proposal) < p.Approvals {
		return proposal, 0, nil
	}
	if _, err := p.waiting(ctx, id); err != nil {
		return proposal, 0, err
	}
	if seq, err = p.Ledger.ApplyProposal(ctx, event, id, digest); err != nil {
		return proposal, 0, p.settle(ctx, err)
	}
	proposal.State = store.ProposalApplied
	return proposal, seq, p.take(ctx)
}

// waiting loads a proposal's documents again, before they come into force: what
// loaded when it was proposed may no longer.
func (p *Policies) waiting(ctx context.Context, id int64) (*candidate, error) {
	whole, err := p.Ledger.Proposal(ctx, id)
	if err != nil {
		return nil, err
	}
	return p.examine(whole.Documents)
}

// Agreed counts the owners who certainly approve of a proposal.
func Agreed(proposal store.Proposal) int {
	var actors []string
	for _, approval := range proposal.Approvals {
		actors = append(actors, approval.By)
	}
	return admin.Approvers(actors)
}

// Earlier returns the change that puts a set of the history in force again.
func (p *Policies) Earlier(ctx context.Context, seq int64, change Change) (Change, error) {
	set, err := p.Ledger.PolicyAt(ctx, seq)
	if err != nil {
		return Change{}, err
	}
	change.Documents = set.Documents
	if change.Comment == "" {
		change.Comment = fmt.Sprintf("roll back to %d", seq)
	}
	return change, nil
}
