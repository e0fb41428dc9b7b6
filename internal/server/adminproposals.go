package server

import (
	"context"
	"time"

	"github.com/quotary/quotary/internal/store"
)

// Proposal is a set that waits, or waited, for owners to agree.
type Proposal struct {
	ID        int64      `json:"id"`
	Digest    string     `json:"digest"`
	Base      string     `json:"base"` // the applied set that it is to replace; empty if none was
	Author    string     `json:"author"`
	Comment   string     `json:"comment"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	Approvals []Approval `json:"approvals"`
	Agreed    int        `json:"agreed"` // how many of them count now
	Needed    int        `json:"needed"`
	State     string     `json:"state"` // open, applied, withdrawn or expired
}

// stateExpired is that of a proposal that can no longer be applied: its time is
// over, or a set was applied since it was made.
const stateExpired = "expired"

// ProposalsResponse is the answer to POST /v1/admin/policy/proposals.
type ProposalsResponse struct {
	Proposals []Proposal `json:"proposals"`
	Cursor    string     `json:"cursor,omitempty"`
}

// ProposalResponse is the answer to POST /v1/admin/policy/proposals/show.
type ProposalResponse struct {
	Proposal  Proposal   `json:"proposal"`
	Documents []Document `json:"documents"`
}

// ApprovalResponse is the answer to POST /v1/admin/policy/approve and withdraw.
type ApprovalResponse struct {
	Proposal Proposal `json:"proposal"`
	Applied  bool     `json:"applied"`
	Seq      int64    `json:"seq,omitempty"`
}

func (s *Server) newProposal(p store.Proposal) Proposal {
	state := string(p.State)
	if p.State == store.ProposalOpen && !p.Live(s.Now()) {
		state = stateExpired
	}
	return Proposal{
		ID: p.ID, Digest: p.Digest, Base: p.Base, Author: p.Author, Comment: p.Comment,
		CreatedAt: p.Created.UTC(), ExpiresAt: p.Expires.UTC(),
		Approvals: newApprovals(p.Approvals), Agreed: s.Policies.Agreed(p), Needed: s.Administrators.Approvals(), State: state,
	}
}

// proposals answers POST /v1/admin/policy/proposals.
func (s *Server) proposals(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, "cursor")
	if err != nil {
		return reply{}, err
	}
	before, err := o.before()
	if err != nil {
		return reply{}, err
	}
	list, err := s.Records.Proposals(x.r.Context(), before, defaultPage)
	if err != nil {
		return reply{}, err
	}
	r := ProposalsResponse{Proposals: []Proposal{}}
	for _, p := range list {
		r.Proposals = append(r.Proposals, s.newProposal(p))
	}
	if len(list) == defaultPage {
		r.Cursor, err = newCursor(list[len(list)-1].ID)
	}
	return reply{body: r}, err
}

// openProposals counts those that can still be approved. They are among the
// newest, as they live for a month and few may be open.
func (s *Server) openProposals(ctx context.Context) (count int, err error) {
	list, err := s.Records.Proposals(ctx, 0, store.MaxPage)
	for _, p := range list {
		if s.newProposal(p).State == string(store.ProposalOpen) {
			count++
		}
	}
	return count, err
}

// proposal answers POST /v1/admin/policy/proposals/show: what an owner is to look
// at before they approve.
func (s *Server) proposal(x *exchange) (reply, error) {
	p, err := s.namedProposal(x, nil)
	if err != nil {
		return reply{}, err
	}
	return reply{body: ProposalResponse{s.newProposal(p), newDocuments(p.Documents)}}, nil
}

// namedProposal is the one that a call names. A digest beside the number must be
// that of the set that is proposed.
func (s *Server) namedProposal(x *exchange, digest *string) (store.Proposal, error) {
	may := []string{"proposal"}
	if digest != nil {
		may = append(may, "digest")
	}
	o, err := x.decodeCall(maxCall, may...)
	if err != nil {
		return store.Proposal{}, err
	}
	id, err := o.needed("proposal")
	if err != nil {
		return store.Proposal{}, err
	}
	if digest != nil {
		if *digest, err = o.text("digest"); err != nil {
			return store.Proposal{}, err
		}
	}
	return s.Records.Proposal(x.r.Context(), id)
}

// approve answers POST /v1/admin/policy/approve.
func (s *Server) approve(x *exchange) (reply, error) {
	var digest string
	p, err := s.namedProposal(x, &digest)
	if err != nil {
		return reply{}, err
	}
	var seq int64
	err = s.changing(x, actionApprove, func(ctx context.Context, event store.Event) (err error) {
		p, seq, err = s.Policies.Approve(ctx, event, p.ID, orElse(digest, p.Digest), x.caller.Actor(), x.caller.Credential())
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return reply{body: ApprovalResponse{s.newProposal(p), seq != 0, seq}}, nil
}

// withdraw answers POST /v1/admin/policy/withdraw.
func (s *Server) withdraw(x *exchange) (reply, error) {
	p, err := s.namedProposal(x, nil)
	if err != nil {
		return reply{}, err
	}
	err = s.changing(x, actionWithdraw, func(ctx context.Context, event store.Event) (err error) {
		p, err = s.Records.Withdraw(ctx, event, p.ID)
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return reply{body: ApprovalResponse{Proposal: s.newProposal(p)}}, nil
}
