package store

import (
	"crypto/sha256"
	"fmt"

	"github.com/quotary/quotary/evidence"
)

// KeyAct is what an administrator does to an attestation key.
type KeyAct string

// The acts.
const (
	// RevokeKey is for good: the key attests no more, and no enrolment brings it back. Its
	// TPM stays barred from another key until the key is released, too.
	RevokeKey KeyAct = "revoke"
	// ReleaseKey frees the key's TPM to enrol another key, and the key from its TPM. One that
	// is not revoked attests again only after it was enrolled again.
	ReleaseKey KeyAct = "release"
)

// KeyChange is an administrator's change of what the ledger knows of an attestation key, if
// that is still what they looked at.
type KeyChange struct {
	AK   evidence.Digest // as [AttestationKey] has it
	Base evidence.Digest // [AttestationKey.Base]
	Act  KeyAct
}

// base names what of the row administrators decide on. What its quotes leave is no part of it:
// a machine that attests meanwhile is in nobody's way.
func (r keyRow) base() evidence.Digest {
	return sha256.Sum256(canonical([]any{r.AK, r.EK, string(r.Revoked)}))
}

// apply returns the row that c makes of r, or a refusal. A superseded key that is revoked
// leaves its TPM, which has another key by now.
func (c *KeyChange) apply(r keyRow) (keyRow, error) {
	switch {
	case r.base() != c.Base:
		return keyRow{}, evidence.Errorf(evidence.CodeAttestationKeyChanged, "base", "the attestation key was enrolled, superseded, revoked or released since you looked at it; look again")
	case c.Act == RevokeKey && r.Revoked == administered:
		return keyRow{}, evidence.Errorf(evidence.CodeAttestationKeyChanged, "ak", "the attestation key is revoked already")
	case c.Act == ReleaseKey && r.EK == nil:
		return keyRow{}, evidence.Errorf(evidence.CodeAttestationKeyChanged, "ak", "no TPM has the attestation key: it was never enrolled here, or is released already")
	}
	switch c.Act {
	case RevokeKey:
		if r.Revoked == superseded {
			r.EK = nil
		}
		r.Revoked = administered
	case ReleaseKey:
		r.EK = nil
		if r.Revoked == notRevoked {
			r.Revoked = superseded
		}
	default:
		return keyRow{}, fmt.Errorf("store: nobody can %.32q an attestation key", c.Act)
	}
	return r, nil
}

// Takes returns nil if c could be made now, else the refusal of [Store.Record].
func (k *AttestationKey) Takes(c KeyChange) error {
	_, err := c.apply(k.row)
	return err
}

func unknownKey() error {
	return evidence.Errorf(evidence.CodeAttestationKeyUnknown, "ak", "the ledger knows no attestation key of this SHA-256")
}
