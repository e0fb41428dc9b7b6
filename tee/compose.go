package tee

import (
	"context"
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// KeyAttester is an attester of a TPM, whose attestation key others can vouch for.
type KeyAttester interface {
	Attester
	// AttestationKey returns the SHA-256 of the key's SubjectPublicKeyInfo.
	AttestationKey() evidence.Digest
}

// Compose returns an attester of a machine with a TEE and a TPM that is enrolled
// on its own. The report or quote of the TEE covers the TPM's attestation key
// ([evidence.Binding.Covering]).
func Compose(machine Attester, tpm KeyAttester) Attester { return &composite{machine, tpm} }

type composite struct {
	machine Attester
	tpm     KeyAttester
}

func (c *composite) Kinds() []evidence.Kind {
	kinds := append(slices.Clone(c.machine.Kinds()), c.tpm.Kinds()...)
	slices.Sort(kinds)
	return kinds
}

func (c *composite) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	items, err := c.machine.Attest(ctx, binding.Covering(c.tpm.AttestationKey()))
	if err != nil {
		return nil, err
	}
	quotes, err := c.tpm.Attest(ctx, binding)
	if err != nil {
		return nil, fmt.Errorf("the TPM: %w", err)
	}
	return evidence.NewBundle(append(slices.Clone(items), quotes...)...)
}
