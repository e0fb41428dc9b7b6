package admin

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/quotary/quotary/client/internal/exchange"
)

// Document is a file of a policy set, as it is.
type Document struct {
	Name    string `json:"name"`
	Content string `json:"content"` // YAML
}

// Note is something wrong, or doubtful, at one place of a document.
type Note = exchange.DocumentProblem

// Approval is an owner's agreement.
type Approval struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// Policy is a policy set with its documents. Digests of sets are "sha256:…".
type Policy struct {
	Mode      string     `json:"mode"`
	Seq       int64      `json:"seq"`
	Digest    string     `json:"digest"`
	Author    string     `json:"author,omitempty"`
	AppliedAt time.Time  `json:"applied_at,omitzero"`
	Comment   string     `json:"comment,omitempty"`
	Documents []Document `json:"documents"`
	Warnings  []Note     `json:"warnings"`
}

// Policy returns the set in force.
func (c *Client) Policy(ctx context.Context) (*Policy, error) {
	return get[Policy](ctx, c, "policy")
}

// PolicyAt returns a set of the history.
func (c *Client) PolicyAt(ctx context.Context, seq int64) (*Policy, error) {
	return post[Policy](ctx, c, "policy/at", struct {
		Seq int64 `json:"seq"`
	}{seq})
}

// AppliedSet is a set of the history, without its documents.
type AppliedSet struct {
	Seq       int64      `json:"seq"`
	Digest    string     `json:"digest"`
	Base      string     `json:"base"` // the digest that was in force before
	Author    string     `json:"author"`
	AppliedAt time.Time  `json:"applied_at"`
	Comment   string     `json:"comment"`
	Approvals []Approval `json:"approvals"`
	Hash      string     `json:"hash"` // of the history up to here
}

// PolicyHistory returns the sets that were applied, the newest first, until most
// of them were seen or the iteration is left. An error ends it.
func (c *Client) PolicyHistory(ctx context.Context, most int) iter.Seq2[AppliedSet, error] {
	return pages(most, func(cursor string, limit int) ([]AppliedSet, string, error) {
		p, err := post[struct {
			Sets   []AppliedSet `json:"sets"`
			Cursor string       `json:"cursor"`
		}](ctx, c, "policy/history", page{cursor, limit})
		if err != nil {
			return nil, "", err
		}
		return p.Sets, p.Cursor, nil
	})
}

// Plan is what a candidate set would change.
type Plan struct {
	Digest   string          `json:"digest"`
	Base     string          `json:"base"` // the set in force, that it was compared with
	Plan     json.RawMessage `json:"plan"` // policies.PlanReport
	Diff     json.RawMessage `json:"diff"` // policies.Changes
	Warnings []Note          `json:"warnings"`
}

type documents struct {
	Documents []Document `json:"documents"`
}

// Plan has a candidate judge what is recorded. It changes nothing.
func (c *Client) Plan(ctx context.Context, candidate []Document) (*Plan, error) {
	return post[Plan](ctx, c, "policy/plan", documents{candidate})
}

// Change is a change of the set in force, or what it would be.
type Change struct {
	Plan
	Applied  bool             `json:"applied"`
	InForce  bool             `json:"in_force,omitempty"` // already: nothing was changed
	Seq      int64            `json:"seq,omitempty"`
	Proposal *ProposalPending `json:"proposal,omitempty"` // where more owners must agree
}

// ProposalPending is a proposal that waits for approvals.
type ProposalPending struct {
	ID        int64     `json:"id"`
	Approvals int       `json:"approvals"`
	Needed    int       `json:"needed"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Application asks for a set to be put in force, if the one in force is Base still.
type Application struct {
	Documents []Document `json:"documents"`
	Base      string     `json:"base"`
	Comment   string     `json:"comment,omitempty"`
	DryRun    bool       `json:"dry_run"`
}

// Apply puts a set in force, proposes it where several owners must agree, or, on a
// dry run, says what would happen.
func (c *Client) Apply(ctx context.Context, a Application) (*Change, error) {
	return post[Change](ctx, c, "policy/apply", a)
}

// Rollback asks for a set of the history to be put in force again.
type Rollback struct {
	Seq     int64  `json:"seq"`
	Base    string `json:"base"`
	Comment string `json:"comment,omitempty"`
	DryRun  bool   `json:"dry_run"`
}

// Rollback is as Apply with the documents of an earlier set.
func (c *Client) Rollback(ctx context.Context, r Rollback) (*Change, error) {
	return post[Change](ctx, c, "policy/rollback", r)
}
