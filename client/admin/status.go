package admin

import (
	"context"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Principal is an administrator, as the service knows them.
type Principal struct {
	Name      string    `json:"name"`
	Role      string    `json:"role"`   // viewer, operator or owner
	Method    string    `json:"method"` // certificate, oidc or bootstrap
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Whoami returns who the service takes the caller for.
func (c *Client) Whoami(ctx context.Context) (*Principal, error) {
	return get[Principal](ctx, c, "whoami")
}

// Status is how the service does.
type Status struct {
	Version           string       `json:"version"`
	StartedAt         time.Time    `json:"started_at"`
	TrustDomain       string       `json:"trust_domain"`
	SimulatedAccepted bool         `json:"simulated_accepted"`
	PolicyDigest      string       `json:"policy_digest"`
	Workloads         []string     `json:"workloads"`
	Ledger            Head         `json:"ledger"`
	Parts             []Part       `json:"parts"`
	Policy            PolicyState  `json:"policy"`
	Shadow            *ShadowState `json:"shadow"` // null without one
	Proposals         int          `json:"proposals"`
	Approvals         int          `json:"approvals"` // how many owners a change needs

	Continuous ContinuousState `json:"continuous_trust"`
}

// ContinuousState says how live identities are held to what is in force.
type ContinuousState struct {
	Mode     string    `json:"mode"`             // "revoke" or "report"; empty of an older service
	Due      bool      `json:"due"`              // they are being looked at, or are about to be
	LastAt   time.Time `json:"last_at,omitzero"` // when all were looked at last,
	Reviewed int       `json:"reviewed"`         // how many,
	Revoked  int       `json:"revoked"`          // revoked,
	Failing  int       `json:"failing"`          // not revoked although they no longer pass,
	Unknown  int       `json:"unknown"`          // and not judged, as the record does not say enough
	Fault    bool      `json:"fault,omitempty"`  // the last look was left, and is tried again
}

// Head is an end of the audit chain. Whoever keeps one elsewhere can later have it
// compared ([Client.VerifyAudit]).
type Head struct {
	Events int64        `json:"events"`
	Hash   evidence.Hex `json:"hash"` // SHA-256; empty for an empty chain
}

// Part is something that the service needs.
type Part struct {
	Name   string `json:"name"`
	Ready  bool   `json:"ready"`
	Detail string `json:"detail,omitempty"`
}

// PolicyState says which policy set is in force.
type PolicyState struct {
	Mode   string `json:"mode"` // files or service: who decides
	Seq    int64  `json:"seq"`  // 0 before the first was applied
	Digest string `json:"digest"`
}

// ShadowState says which candidate decides beside the set in force.
type ShadowState struct {
	Digest string    `json:"digest"`
	Since  time.Time `json:"since"`
}

// Status returns how the service does.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return get[Status](ctx, c, "status")
}

// Reloaded is what is in force after a reload.
type Reloaded struct {
	Policy       PolicyState `json:"policy"`
	Endorsements int         `json:"endorsements"`
	Unrecognised int         `json:"unrecognised"` // files among them that are not used
}

// Reload has the service read its files again: policies, where files decide, endorsements
// and keys. All of it counts, or nothing.
func (c *Client) Reload(ctx context.Context) (*Reloaded, error) {
	return post[Reloaded](ctx, c, "reload", struct{}{})
}
