package admin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Shadow is a candidate that decides beside the set in force, without effect.
type Shadow struct {
	Digest    string        `json:"digest"` // empty if there is none
	Author    string        `json:"author,omitempty"`
	Since     time.Time     `json:"since,omitzero"`
	Documents []Document    `json:"documents,omitempty"`
	Counts    []ShadowCount `json:"counts,omitempty"`
	Other     uint64        `json:"other,omitempty"` // decisions that are not told apart
}

// ShadowCount counts the decisions that came out the same way.
type ShadowCount struct {
	Active    string `json:"active"`           // the verdict that counted
	Candidate string `json:"candidate"`        // and the one that did not
	Agrees    bool   `json:"agrees"`           // both are the same, and what they earn
	Reason    string `json:"reason,omitempty"` // the candidate's first check that stands in the way, if any
	Count     uint64 `json:"count"`
}

// Shadow returns the candidate that decides beside the set in force.
func (c *Client) Shadow(ctx context.Context) (*Shadow, error) {
	return get[Shadow](ctx, c, "policy/shadow")
}

// SetShadow has a candidate decide beside the set in force, or none any more if
// there are no documents. It returns the candidate's digest.
func (c *Client) SetShadow(ctx context.Context, candidate []Document) (digest string, err error) {
	if candidate == nil {
		candidate = []Document{} // the end is an empty list, not nothing
	}
	out, err := post[struct {
		Digest string `json:"digest"`
	}](ctx, c, "policy/shadow", documents{candidate})
	if err != nil {
		return "", err
	}
	return out.Digest, nil
}

// Question asks why something is accepted or refused: an attestation of the
// ledger, or evidence, as of a time. Candidate stands in for the set in force.
type Question struct {
	AttestationID string          `json:"attestation_id,omitempty"`
	Evidence      evidence.Bundle `json:"evidence,omitempty"`
	At            time.Time       `json:"at,omitzero"` // zero means now
	Candidate     []Document      `json:"documents,omitempty"`
}

// Explain answers a question, as policies.Explanation has it, with a member
// subject beside.
func (c *Client) Explain(ctx context.Context, q Question) (json.RawMessage, error) {
	out, err := post[json.RawMessage](ctx, c, "policy/explain", q)
	if err != nil {
		return nil, err
	}
	return *out, nil
}
