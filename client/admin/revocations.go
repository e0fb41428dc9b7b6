package admin

import (
	"context"
	"iter"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Revocation asks for certificates to be revoked: those that Where picks, or those named, one
// of the three.
type Revocation struct {
	// Where is a CEL expression over what attestations claimed, as rules of policies are, and
	// over workload and spiffe_id. It picks of those that live.
	Where        string   `json:"where,omitempty"`
	Serials      []string `json:"serials,omitempty"`         // in hex
	Attestations []string `json:"attestation_ids,omitempty"` // that they were issued on
	Reason       string   `json:"reason"`
	DryRun       bool     `json:"dry_run"`
}

// Revoked is what a revocation did, or on a dry run would do.
type Revoked struct {
	Certificates []Attestation `json:"certificates"` // the newest, as many as a page has
	Matched      int           `json:"matched"`      // how many there are
	// Unclear counts certificates that are left alone because Where is neither true nor false
	// of them: they rest on other evidence, or it does not say what is asked for.
	Unclear  int      `json:"unclear"`
	LeftOut  []string `json:"left_out"` // names of what is not live, or revoked already
	Revoked  int      `json:"revoked"`  // 0 on a dry run
	Sequence int64    `json:"sequence"` // of the last revocation; 0 on a dry run
	Applied  bool     `json:"applied"`
}

// RevokedCertificate is a certificate that counts no more.
type RevokedCertificate struct {
	Sequence      int64        `json:"sequence"` // 1, 2, 3 …
	Serial        string       `json:"serial"`   // lower-case hex
	SPKISHA256    evidence.Hex `json:"spki_sha256"`
	AttestationID string       `json:"attestation_id"`
	Workload      string       `json:"workload"`
	SPIFFEID      string       `json:"spiffe_id"`
	NotAfter      time.Time    `json:"not_after"`
	RevokedAt     time.Time    `json:"revoked_at"`
	RevokedBy     string       `json:"revoked_by"`
	Event         int64        `json:"event"` // of the audit trail
	Reason        string       `json:"reason"`
	Where         string       `json:"where,omitempty"`  // that it was revoked by; empty if it was named
	Failed        []string     `json:"failed,omitempty"` // codes of the checks that it no longer passed, if the service revoked it
}

// Revoke revokes certificates. Who has one may attest anew, and gets another if policy lets it.
func (c *Client) Revoke(ctx context.Context, r Revocation) (*Revoked, error) {
	return post[Revoked](ctx, c, "revocations", r)
}

// Revocations returns revoked certificates, the last revoked first, until most of them were seen
// or the iteration is left. Only live ones are those that revocation lists have. An error ends it.
func (c *Client) Revocations(ctx context.Context, live bool, most int) iter.Seq2[RevokedCertificate, error] {
	return pages(most, func(cursor string, limit int) ([]RevokedCertificate, string, error) {
		out, err := post[struct {
			Revocations []RevokedCertificate `json:"revocations"`
			Cursor      string               `json:"cursor"`
		}](ctx, c, "revocations/list", struct {
			Live bool `json:"live,omitempty"`
			page
		}{live, page{cursor, limit}})
		if err != nil {
			return nil, "", err
		}
		return out.Revocations, out.Cursor, nil
	})
}
