// Package guest is the attester's side of TPM 2.0: it asks the TPM of the machine
// that it runs on, or one on a socket, for quotes that carry given data, and takes
// along the logs that explain them.
//
// A [TPM] is opened with its attestation key, a primary key that is made anew from
// a template each time: there is nothing to keep in files. It lies in the endorsement
// hierarchy, so that quotes show the TPM's own counters and firmware version. What a
// service needs to certify the key is an enrolment ([TPM.EnrolmentRequest], [TPM.Activate]).
// An [Attester] then quotes PCRs, with certificates, event log, IMA log and the
// certification of a workload's [Key] that lives in the TPM.
//
// Each call opens the device, runs its commands and leaves nothing loaded: others use
// the TPM, too, and it may be rebooted in between. Whether a quote is genuine is not
// this package's business; the verifier is package tpm.
//
// Start at [Open].
package guest

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/internal/tsm"
)

// Options say which keys of the TPM are used. The zero value is right for most.
type Options struct {
	// RSA makes the attestation key of RSA-2048, for a verifier that wants one. The
	// default is ECDSA on P-256, which a TPM makes in a fraction of the time.
	RSA bool
	// OwnerHierarchy makes the attestation key in the owner hierarchy: where the
	// endorsement hierarchy has an authorization value that nobody gives away. Its
	// quotes disguise the TPM's counters and firmware version.
	OwnerHierarchy bool
	// AKHandle is a persistent handle under which the platform left an attestation
	// key (0x81000003 in Azure's confidential VMs), or zero.
	AKHandle uint32
	// AKTemplate is an NV index with the template of a primary key that the platform
	// made (and certified) as attestation key ([GoogleAKTemplate]), or zero.
	AKTemplate uint32
	// EndorsementAuth and OwnerAuth are the hierarchies' authorization values.
	EndorsementAuth, OwnerAuth []byte
	// EKCertificates are the endorsement key's certificate, DER, and intermediates,
	// for a TPM that does not have them in NV (as many in firmware do not). If there are
	// any, NV is not read.
	EKCertificates [][]byte
}

// TPM is a TPM with its attestation key. It is safe for concurrent use; it asks for
// one thing at a time.
type TPM struct {
	device  Device
	options Options
	slot    tsm.Slot // held while the TPM is asked

	area        []byte // the attestation key's TPMT_PUBLIC
	fingerprint evidence.Digest
}

// Open opens the TPM at an address; see [ParseAddress]. An error is an
// [*evidence.Error] with one of the attester's codes, or wraps ctx's.
func Open(ctx context.Context, address string, o Options) (*TPM, error) {
	device, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	return New(ctx, device, o)
}

// New is [Open] for any way to a TPM.
func New(ctx context.Context, device Device, o Options) (*TPM, error) {
	t := &TPM{device: device, options: o, slot: tsm.NewSlot()}
	ak, err := do(ctx, t, (*link).attestationKey)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(ak.key)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeAttesterFailed, device.String(), "the attestation key cannot be encoded: %w", err)
	}
	t.area, t.fingerprint = ak.area, sha256.Sum256(spki)
	return t, nil
}

// AttestationKey returns the SHA-256 of the attestation key's SubjectPublicKeyInfo.
func (t *TPM) AttestationKey() evidence.Digest { return t.fingerprint }

// AKPublic returns the attestation key's public area, TPMT_PUBLIC.
func (t *TPM) AKPublic() []byte { return append([]byte(nil), t.area...) }

// signer is an attestation key in the TPM.
type signer struct {
	*object
	key crypto.PublicKey
}

// attestationKey makes or finds the attestation key.
func (l *link) attestationKey() (*signer, error) {
	found, err := l.findAttestationKey()
	if err != nil {
		return nil, fmt.Errorf("the attestation key: %w", err)
	}
	if a := found.public.ObjectAttributes; !a.Restricted || !a.SignEncrypt || a.Decrypt {
		return nil, fmt.Errorf("the key %#x is no attestation key: its attributes are not restricted, sign and not decrypt", uint32(found.handle))
	}
	key, err := tpm2.Pub(*found.public)
	if err != nil {
		return nil, fmt.Errorf("the attestation key: %w", err)
	}
	return &signer{found, key}, nil
}

func (l *link) findAttestationKey() (*object, error) {
	if l.options.AKHandle != 0 {
		return l.persistent(tpm2.TPMHandle(l.options.AKHandle))
	}
	hierarchy, template := tpm2.TPMRHEndorsement, attestationECC()
	if l.options.OwnerHierarchy {
		hierarchy = tpm2.TPMRHOwner
	}
	switch {
	case l.options.AKTemplate != 0:
		left, err := l.platformTemplate(tpm2.TPMHandle(l.options.AKTemplate))
		if err != nil {
			return nil, err
		}
		template = left
	case l.options.RSA:
		template = attestationRSA()
	}
	return l.createPrimary(hierarchy, template)
}
