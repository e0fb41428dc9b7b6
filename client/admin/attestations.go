package admin

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Filter says which attestations are asked for: those that are as every field
// says that is not zero.
type Filter struct {
	Live         bool // what was issued has not ended
	Workload     string
	SPIFFEID     string
	Kind         evidence.Kind // among others
	Since, Until time.Time     // issued from Since up to before Until
	PolicyDigest string
	Simulated    *bool
	Serial       string // of the certificate, lower-case hex; for certificates only
}

// filterWire is a Filter and a page as they are sent.
type filterWire struct {
	Live         bool          `json:"live,omitempty"`
	Workload     string        `json:"workload,omitempty"`
	SPIFFEID     string        `json:"spiffe_id,omitempty"`
	Kind         evidence.Kind `json:"kind,omitempty"`
	Since        time.Time     `json:"since,omitzero"`
	Until        time.Time     `json:"until,omitzero"`
	PolicyDigest string        `json:"policy_digest,omitempty"`
	Simulated    *bool         `json:"simulated,omitempty"`
	Serial       string        `json:"serial,omitempty"`
	page
}

// Attestation is what the service issued on an accepted appraisal.
type Attestation struct {
	AttestationID string          `json:"attestation_id"`
	Purpose       string          `json:"purpose"`
	IssuedAt      time.Time       `json:"issued_at"`
	NotBefore     time.Time       `json:"not_before"`
	NotAfter      time.Time       `json:"not_after"`
	Workload      string          `json:"workload"`
	SPIFFEID      string          `json:"spiffe_id"`
	PolicyDigest  string          `json:"policy_digest"`
	Kinds         []evidence.Kind `json:"kinds"`
	Simulated     bool            `json:"simulated"`
	Serial        string          `json:"serial,omitempty"`    // of the certificate
	TokenID       string          `json:"token_id,omitempty"`  // of the attestation result
	RevokedAt     time.Time       `json:"revoked_at,omitzero"` // when the certificate was revoked
	// Claims are those of the evidence, of each kind; only [Client.Attestation] brings them.
	Claims json.RawMessage `json:"claims,omitempty"`
}

// Attestations returns the attestations that f asks for, the newest first, until
// most of them were seen or the iteration is left. An error ends it.
func (c *Client) Attestations(ctx context.Context, f Filter, most int) iter.Seq2[Attestation, error] {
	return c.list(ctx, "attestations", f, most)
}

// Certificates is as Attestations, of those on which a certificate was issued.
func (c *Client) Certificates(ctx context.Context, f Filter, most int) iter.Seq2[Attestation, error] {
	return c.list(ctx, "certificates", f, most)
}

func (c *Client) list(ctx context.Context, path string, f Filter, most int) iter.Seq2[Attestation, error] {
	return pages(most, func(cursor string, limit int) ([]Attestation, string, error) {
		in := filterWire{f.Live, f.Workload, f.SPIFFEID, f.Kind, f.Since, f.Until, f.PolicyDigest, f.Simulated, f.Serial, page{cursor, limit}}
		out, err := post[struct {
			Attestations []Attestation `json:"attestations"`
			Cursor       string        `json:"cursor"`
		}](ctx, c, path, in)
		if err != nil {
			return nil, "", err
		}
		return out.Attestations, out.Cursor, nil
	})
}

// Attestation returns one attestation with its claims.
func (c *Client) Attestation(ctx context.Context, id string) (*Attestation, error) {
	return post[Attestation](ctx, c, "attestations/show", struct {
		AttestationID string `json:"attestation_id"`
	}{id})
}
