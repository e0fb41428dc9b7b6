package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/quotary/quotary/evidence"
)

// Proposal is a policy set that waits for approvals. Its set never changes.
type Proposal struct {
	ID int64 // 1, 2, 3 …
	Candidate
	Created   time.Time
	Expires   time.Time
	Approvals []Approval
	State     ProposalState
	// Overtaken says that a set was applied since the proposal was made, so that it can no
	// longer be: not even if the set that it was to replace is in force again.
	Overtaken bool
}

// ProposalState is what became of a proposal.
type ProposalState string

// The states of a proposal. Expiry is none of them: it comes with the time.
const (
	ProposalOpen      ProposalState = "open"
	ProposalApplied   ProposalState = "applied"
	ProposalWithdrawn ProposalState = "withdrawn"
)

// Live reports whether the proposal may still be approved and applied at now.
func (p Proposal) Live(now time.Time) bool {
	return p.State == ProposalOpen && !p.Overtaken && now.Before(p.Expires)
}

// Others returns how many administrators beside the author approved.
func (p Proposal) Others() (count int) {
	for _, a := range p.Approvals {
		if a.By != p.Author {
			count++
		}
	}
	return count
}

// Propose records a set that is to be approved before it is applied, until life
// (at most [MaxProposalLife]) after the event, and returns it. Its Base must be
// the active set. The error is as that of [Store.ApplyPolicy], or an
// *evidence.Error with CodePolicyProposals if [MaxProposals] are open,
// or [MaxProposalsOfOne] of its author's.
func (s *Store) Propose(ctx context.Context, event Event, c Candidate, life time.Duration) (Proposal, error) {
	if err := c.check(); err != nil {
		return Proposal{}, err
	}
	if life <= 0 || life > MaxProposalLife {
		return Proposal{}, fmt.Errorf("store: a proposal's life of %v", life)
	}
	return s.changeProposal(ctx, event, &proposing{candidate: c.deposit(), life: life})
}

// Approve records that by approves of the proposal, which is the one with this
// digest: an administrator approves what they saw. serial is that of the
// certificate that they showed, or empty. The time is the event's. The
// error is an *evidence.Error with CodePolicyProposalUnknown, CodePolicyProposalClosed,
// CodePolicyProposalApproved if by did so before, CodePolicyConflict if a set was
// applied since the proposal was made, CodePolicyProposals
// beyond [MaxApprovals], or one of those of [Store.Record].
func (s *Store) Approve(ctx context.Context, event Event, id int64, digest, by, serial string) (Proposal, error) {
	if err := checkName(by); err != nil {
		return Proposal{}, err
	}
	if len(serial) > maxText || !utf8.ValidString(serial) {
		return Proposal{}, fmt.Errorf("store: a serial number of %d bytes", len(serial))
	}
	return s.changeProposal(ctx, event, &approving{id: id, digest: digest, by: by, serial: serial})
}

// Withdraw closes a proposal. The error is an *evidence.Error with
// CodePolicyProposalUnknown or CodePolicyProposalClosed, or one of those of [Store.Record].
func (s *Store) Withdraw(ctx context.Context, event Event, id int64) (Proposal, error) {
	return s.changeProposal(ctx, event, &withdrawing{id: id})
}

// changeProposal returns the proposal as the change left it, without documents.
func (s *Store) changeProposal(ctx context.Context, event Event, change proposalChange) (Proposal, error) {
	if err := s.Record(ctx, Entry{Event: event, policy: change}); err != nil {
		return Proposal{}, err
	}
	return change.outcome().proposal()
}

// proposalRow is a row of policy_proposals as the chain has it.
type proposalRow struct {
	_         struct{} `cbor:",toarray"`
	ID        int64
	Candidate candidateRow
	Created   int64
	Expires   int64
	Approvals string // JSON, []Approval
	State     ProposalState
}

func (r proposalRow) digest() []byte {
	sum := sha256.Sum256(canonical(r))
	return sum[:]
}

func (r proposalRow) proposal() (Proposal, error) {
	approvals, err := approvalsOf(r.Approvals)
	return Proposal{
		ID: r.ID, Candidate: r.Candidate.candidate(),
		Created: time.UnixMicro(r.Created).UTC(), Expires: time.UnixMicro(r.Expires).UTC(),
		Approvals: approvals, State: r.State,
	}, err
}

// openAt refuses a proposal that is closed at this time, in Unix microseconds.
func (r proposalRow) openAt(now int64) error {
	switch {
	case r.State != ProposalOpen:
		return evidence.Errorf(evidence.CodePolicyProposalClosed, "proposal", "proposal %d was %s", r.ID, r.State)
	case now >= r.Expires:
		return evidence.Errorf(evidence.CodePolicyProposalClosed, "proposal", "proposal %d has expired", r.ID)
	}
	return nil
}

// approve returns the row with an approval more, or a refusal.
func (r proposalRow) approve(by, serial string, now int64) (proposalRow, error) {
	approvals, err := approvalsOf(r.Approvals)
	if err != nil {
		return proposalRow{}, err
	}
	for _, a := range approvals {
		if a.By == by {
			return proposalRow{}, evidence.Errorf(evidence.CodePolicyProposalApproved, "proposal", "%s approved proposal %d before", by, r.ID)
		}
	}
	if len(approvals) >= MaxApprovals {
		return proposalRow{}, evidence.Errorf(evidence.CodePolicyProposals, "proposal", "proposal %d has %d approvals, more are not kept", r.ID, len(approvals))
	}
	r.Approvals = jsonText(append(approvals, Approval{By: by, Time: time.UnixMicro(now).UTC(), Serial: serial}))
	return r, nil
}
