package admin

import (
	"context"
	"iter"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Key is an attestation key of a TPM, as the service knows it.
type Key struct {
	// AK and EK are the SHA-256 of a SubjectPublicKeyInfo, or of a simulated TPM what stands
	// for that. EK is nil if no TPM has the key.
	AK        evidence.Hex `json:"ak"`
	EK        evidence.Hex `json:"ek,omitempty"`
	Status    string       `json:"status"` // active, superseded, released or revoked
	Base      evidence.Hex `json:"base"`   // names all of these together; for a change
	Simulated bool         `json:"simulated"`
	// The last event that changed what is known of the key.
	ChangedAt     time.Time `json:"changed_at"`
	ChangedBy     string    `json:"changed_by"`
	Action        string    `json:"action"`
	Event         int64     `json:"event"`
	Reason        string    `json:"reason,omitempty"` // if that was an administrator
	AttestationID string    `json:"attestation_id,omitempty"`
	Workload      string    `json:"workload,omitempty"`
	SPIFFEID      string    `json:"spiffe_id,omitempty"`
	NotAfter      time.Time `json:"not_after,omitzero"`
	Quote         *Quote    `json:"quote,omitempty"` // the last one that was accepted; nil before
}

// Quote is what a quote said of its TPM.
type Quote struct {
	Clock    uint64 `json:"clock"` // milliseconds
	Resets   uint32 `json:"resets"`
	Restarts uint32 `json:"restarts"`
	Policy   string `json:"policy"` // that judged it
}

// KeyFilter says which keys are asked for: those that are as every field says that is not
// zero.
type KeyFilter struct {
	Status string
	EK     evidence.Hex // SHA-256
}

// Keys returns attestation keys, those that changed last first, until most of them were seen
// or the iteration is left. An error ends it.
func (c *Client) Keys(ctx context.Context, f KeyFilter, most int) iter.Seq2[Key, error] {
	return pages(most, func(cursor string, limit int) ([]Key, string, error) {
		out, err := post[struct {
			Keys   []Key  `json:"keys"`
			Cursor string `json:"cursor"`
		}](ctx, c, "keys", struct {
			Status string       `json:"status,omitempty"`
			EK     evidence.Hex `json:"ek,omitempty"`
			page
		}{f.Status, f.EK, page{cursor, limit}})
		if err != nil {
			return nil, "", err
		}
		return out.Keys, out.Cursor, nil
	})
}

// Key returns one key, named by [Key.AK] or the SHA-256 of its SubjectPublicKeyInfo.
func (c *Client) Key(ctx context.Context, ak evidence.Hex) (*Key, error) {
	return post[Key](ctx, c, "keys/show", struct {
		AK evidence.Hex `json:"ak"`
	}{ak})
}

// KeyChange asks for a change of a key that is still what was looked at.
type KeyChange struct {
	AK     evidence.Hex `json:"ak"`
	Base   evidence.Hex `json:"base"` // [Key.Base]
	Reason string       `json:"reason"`
	DryRun bool         `json:"dry_run"`
}

// ChangedKey is a key after a change, or on a dry run as it is.
type ChangedKey struct {
	Key     Key  `json:"key"`
	Applied bool `json:"applied"`
}

// RevokeKey has a key count no more, for good. Its TPM cannot enrol another before the key is
// released, too. Certificates that rest on it are revoked.
func (c *Client) RevokeKey(ctx context.Context, k KeyChange) (*ChangedKey, error) {
	return post[ChangedKey](ctx, c, "keys/revoke", k)
}

// ReleaseKey frees a key's TPM to enrol another, and the key from its TPM. A key that is not
// revoked counts again once it is enrolled again.
func (c *Client) ReleaseKey(ctx context.Context, k KeyChange) (*ChangedKey, error) {
	return post[ChangedKey](ctx, c, "keys/release", k)
}
