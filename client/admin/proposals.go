package admin

import (
	"context"
	"iter"
	"time"
)

// Proposal is a set that waits, or waited, for owners to agree.
type Proposal struct {
	ID        int64      `json:"id"`
	Digest    string     `json:"digest"`
	Base      string     `json:"base"`
	Author    string     `json:"author"`
	Comment   string     `json:"comment"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	Approvals []Approval `json:"approvals"`
	Agreed    int        `json:"agreed"` // how many of them count now
	Needed    int        `json:"needed"`
	State     string     `json:"state"` // open, applied, withdrawn or expired
}

// Proposals returns the proposals, until most of them were seen or the iteration
// is left. An error ends it.
func (c *Client) Proposals(ctx context.Context, most int) iter.Seq2[Proposal, error] {
	return pages(most, func(cursor string, _ int) ([]Proposal, string, error) {
		p, err := post[struct {
			Proposals []Proposal `json:"proposals"`
			Cursor    string     `json:"cursor"`
		}](ctx, c, "policy/proposals", page{Cursor: cursor})
		if err != nil {
			return nil, "", err
		}
		return p.Proposals, p.Cursor, nil
	})
}

// Approved is what became of a proposal by one more approval.
type Approved struct {
	Proposal Proposal `json:"proposal"`
	Applied  bool     `json:"applied"`
	Seq      int64    `json:"seq,omitempty"`
}

type proposalID struct {
	Proposal int64 `json:"proposal"`
}

// Proposal returns a proposal with its documents.
func (c *Client) Proposal(ctx context.Context, id int64) (*Proposal, []Document, error) {
	p, err := post[struct {
		Proposal  Proposal   `json:"proposal"`
		Documents []Document `json:"documents"`
	}](ctx, c, "policy/proposals/show", proposalID{id})
	if err != nil {
		return nil, nil, err
	}
	return &p.Proposal, p.Documents, nil
}

// Approve agrees to a proposal, of the set with this digest: what the owner has
// looked at. The last approval that it needs applies it.
func (c *Client) Approve(ctx context.Context, id int64, digest string) (*Approved, error) {
	return post[Approved](ctx, c, "policy/approve", struct {
		Proposal int64  `json:"proposal"`
		Digest   string `json:"digest,omitempty"`
	}{id, digest})
}

// Withdraw takes a proposal back.
func (c *Client) Withdraw(ctx context.Context, id int64) (*Proposal, error) {
	p, err := post[struct {
		Proposal Proposal `json:"proposal"`
	}](ctx, c, "policy/withdraw", proposalID{id})
	if err != nil {
		return nil, err
	}
	return &p.Proposal, nil
}
