package inforce

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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
	// Author is who asks, as admin.Principal.Actor has it, and Serial names the
	// certificate that they showed, as admin.Principal.Credential does.
	Author, Serial string
	// Consents says that the author is an owner, so that proposing it is their approval.
	Consents bool
}

// Outcome is what became of a change.
type Outcome struct {
	Plan
	Applied  bool
	InForce  bool            // the very documents are in force already: nothing was changed
	Seq      int64           // in the history, if it was applied or is in force
	Proposal *store.Proposal // if it waits for approvals
}

// Rehearse says what a change would do, and refuses what [Policies.Apply] would.
func (p *Policies) Rehearse(ctx context.Context, change Change) (Outcome, error) {
	c, active, err := p.check(change)
	if err != nil {
		return Outcome{}, err
	}
	plan, err := p.plan(ctx, c, active)
	if active.has(change.Documents) {
		return Outcome{Plan: plan, InForce: true, Seq: active.Applied.Seq}, err
	}
	return Outcome{Plan: plan}, err
}

// has reports whether the documents are those that were applied last, to the byte: a set
// whose comments or files' names differ is applied, so that it is found as it was given.
func (a *Active) has(documents []policies.File) bool {
	byName := func(f, g policies.File) int { return cmp.Compare(f.Name, g.Name) }
	same := func(f, g policies.File) bool { return f.Name == g.Name && bytes.Equal(f.Data, g.Data) }
	return a.Applied != nil && slices.EqualFunc(
		slices.SortedFunc(slices.Values(documents), byName), slices.SortedFunc(slices.Values(a.Documents), byName), same)
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
	return c, active, active.isBase(change.Base)
}

// isBase refuses a change that starts from another set.
func (a *Active) isBase(digest string) error {
	if now := a.Set.Digest(); digest != now {
		return evidence.Errorf(evidence.CodePolicyConflict, "base", "the set in force is %s; look at what changed, and apply again on top of it", now)
	}
	return nil
}

// managed refuses changes where files decide.
func (p *Policies) managed() error {
	if p.Mode == ByFiles {
		return evidence.Errorf(evidence.CodePolicyManagedByFiles, "", "the service's configuration names the policy files (policies); change these and reload, or take the key out of the configuration")
	}
	return nil
}

// Apply puts a set in force, or up for approval where several owners must agree.
// event is what the audit trail has of it. The plan, which may take long, is made
// before that, ends with ctx, and holds up no other change; what follows does not end
// with ctx. Of documents that are in force already nothing is recorded.
func (p *Policies) Apply(ctx context.Context, event store.Event, change Change) (Outcome, error) {
	c, active, err := p.check(change)
	if err != nil {
		return Outcome{}, err
	}
	plan, err := p.plan(ctx, c, active)
	if err != nil {
		return Outcome{}, err
	}
	p.changing.Lock()
	defer p.changing.Unlock()
	if active = p.Active(); active.isBase(change.Base) != nil {
		return Outcome{}, active.isBase(change.Base)
	}
	if active.has(change.Documents) {
		return Outcome{Plan: plan, InForce: true, Seq: active.Applied.Seq}, nil
	}
	ctx = context.WithoutCancel(ctx)
	wanted := store.Candidate{Digest: c.set.Digest(), Base: active.applied(), Documents: change.Documents, Author: change.Author, Comment: change.Comment}
	if p.Approvals > 1 {
		proposal, err := p.propose(ctx, event, wanted, change)
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
func (p *Policies) propose(ctx context.Context, event store.Event, wanted store.Candidate, change Change) (store.Proposal, error) {
	proposal, err := p.Ledger.Propose(ctx, event, wanted, proposalLife)
	if err != nil || !change.Consents {
		return proposal, err
	}
	return p.Ledger.Approve(ctx, event, proposal.ID, proposal.Digest, change.Author, change.Serial)
}

// take puts in force what the ledger has as its last set.
func (p *Policies) take(ctx context.Context) error {
	applied, err := p.Ledger.ActivePolicy(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	a, err := p.fromLedger(applied)
	if err != nil {
		return err
	}
	p.enforce(a)
	return nil
}

// Approve records an owner's consent to a proposal, which they name by its digest,
// too: they approve of what they saw. The set comes into force with the last
// approval that it needs; seq is then its number, else 0. Who approved before may
// do so again where that was cut off before the set came into force.
func (p *Policies) Approve(ctx context.Context, event store.Event, id int64, digest, by, serial string) (proposal store.Proposal, seq int64, err error) {
	p.changing.Lock()
	defer p.changing.Unlock()
	if err := p.managed(); err != nil {
		return store.Proposal{}, 0, err
	}
	whole, err := p.waiting(ctx, id)
	if err != nil {
		return store.Proposal{}, 0, err
	}
	proposal, err = p.Ledger.Approve(ctx, event, id, digest, by, serial)
	switch {
	case evidence.CodeOf(err) == evidence.CodePolicyProposalApproved && p.Agreed(whole) >= p.Approvals:
		proposal = whole
	case err != nil:
		return store.Proposal{}, 0, err
	case p.Agreed(proposal) < p.Approvals:
		return proposal, 0, nil
	}
	if seq, err = p.Ledger.ApplyProposal(ctx, event, id, digest); err != nil {
		return proposal, 0, p.settle(ctx, err)
	}
	proposal.State = store.ProposalApplied
	return proposal, seq, p.take(ctx)
}

// waiting returns a proposal without its documents, and loads these again: what
// loaded when it was proposed may no longer.
func (p *Policies) waiting(ctx context.Context, id int64) (store.Proposal, error) {
	whole, err := p.Ledger.Proposal(ctx, id)
	if err != nil || whole.State != store.ProposalOpen { // the ledger says what it is
		return whole, err
	}
	_, err = p.examine(whole.Documents)
	whole.Documents = nil
	return whole, err
}

// Agreed counts the owners who certainly approve of a proposal. An approval by a
// certificate that has been revoked since counts no longer: its owner may have
// lost it, or their role.
func (p *Policies) Agreed(proposal store.Proposal) int {
	var actors []string
	for _, approval := range proposal.Approvals {
		if approval.Serial == "" || p.Revoked == nil || !p.Revoked(approval.Serial) {
			actors = append(actors, approval.By)
		}
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
