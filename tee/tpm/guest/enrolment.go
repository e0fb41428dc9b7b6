package guest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// EnrolmentRequest returns what a service needs to certify the attestation key: the
// endorsement key's certificate, if the TPM has one, and the public areas of both
// keys. Without a certificate the operator must have listed the endorsement key.
func (t *TPM) EnrolmentRequest(ctx context.Context) (evidence.Enrolment, error) {
	return do(ctx, t, func(l *link) (evidence.Enrolment, error) {
		ek, err := l.chooseEndorsementKey()
		if err != nil {
			return evidence.Enrolment{}, err
		}
		return evidence.Enrolment{EKCertificates: ek.Certificates, EKPublic: ek.Public, AKPublic: t.AKPublic()}, nil
	})
}

// Activate returns the secret that a credential holds: the TPM gives it away only if
// the endorsement key of [TPM.EnrolmentRequest] decrypts it, and only for the attestation key
// (TPM2_ActivateCredential, TPM 2.0 part 3, 12.5). That the credential is for others is
// [evidence.CodeAttesterCredential].
func (t *TPM) Activate(ctx context.Context, c tee.Credential) ([]byte, error) {
	blob, ok := unwrap(c.Blob)
	if !ok {
		return nil, evidence.Errorf(evidence.CodeAttesterCredential, "credential_blob", "it is no TPM2B_ID_OBJECT")
	}
	seed, ok := unwrap(c.Secret)
	if !ok {
		return nil, evidence.Errorf(evidence.CodeAttesterCredential, "secret", "it is no TPM2B_ENCRYPTED_SECRET")
	}
	return do(ctx, t, func(l *link) ([]byte, error) {
		ek, err := l.chooseEndorsementKey()
		if err != nil {
			return nil, err
		}
		ak, err := l.attestationKey()
		if err != nil {
			return nil, err
		}
		if got := ak.area; string(got) != string(t.area) {
			return nil, errChangedKey(t)
		}
		return l.activate(ek, ak, tpm2.TPM2BIDObject{Buffer: blob}, tpm2.TPM2BEncryptedSecret{Buffer: seed})
	})
}

// unwrap returns what a TPM2B structure holds, if its size is right and not zero.
func unwrap(b []byte) ([]byte, bool) {
	if len(b) <= 2 || int(binary.BigEndian.Uint16(b)) != len(b)-2 {
		return nil, false
	}
	return b[2:], true
}

// activate asks the TPM, with the endorsement key's policy satisfied.
func (l *link) activate(ek *endorser, ak *signer, blob tpm2.TPM2BIDObject, seed tpm2.TPM2BEncryptedSecret) ([]byte, error) {
	session, err := l.endorsementPolicy(ek)
	if err != nil {
		return nil, err
	}
	activated, err := tpm2.ActivateCredential{
		ActivateHandle: ak.withAuth(),
		KeyHandle:      tpm2.AuthHandle{Handle: ek.handle, Name: ek.name, Auth: session},
		CredentialBlob: blob, Secret: seed,
	}.Execute(l)
	switch {
	case errors.Is(err, tpm2.TPMRCIntegrity), errors.Is(err, tpm2.TPMRCValue), errors.Is(err, tpm2.TPMRCSize), errors.Is(err, tpm2.TPMRCECCPoint):
		return nil, evidence.Errorf(evidence.CodeAttesterCredential, "credential_blob", "the credential is for another TPM, or for another attestation key: %w; enrol again", err)
	case err != nil:
		return nil, fmt.Errorf("cannot activate the credential: %w", err)
	case len(activated.CertInfo.Buffer) > maxSecret:
		return nil, evidence.Errorf(evidence.CodeAttesterCredential, "credential_blob", "it holds %d bytes", len(activated.CertInfo.Buffer))
	}
	return activated.CertInfo.Buffer, nil
}

// endorsementPolicy returns a session that satisfies an endorsement key's policy,
// policyA or policyB (TCG EK Credential Profile 2.5, B.6).
func (l *link) endorsementPolicy(ek *endorser) (tpm2.Session, error) {
	alg := ek.public.NameAlg
	session, _, err := tpm2.PolicySession(l, alg, 16)
	if err != nil {
		return nil, fmt.Errorf("cannot open a session: %w", err)
	}
	l.keep(session.Handle())
	secret := tpm2.PolicySecret{
		AuthHandle:    tpm2.AuthHandle{Handle: tpm2.TPMRHEndorsement, Auth: tpm2.PasswordAuth(l.options.EndorsementAuth)},
		PolicySession: session.Handle(), NonceTPM: session.NonceTPM(),
	}
	if _, err := secret.Execute(l); err != nil {
		return nil, fmt.Errorf("the endorsement hierarchy: %w", err)
	}
	if !ek.policyB {
		return session, nil
	}
	either := tpm2.PolicyOr{PolicySession: session.Handle(), PHashList: tpm2.TPMLDigest{
		Digests: []tpm2.TPM2BDigest{{Buffer: policyA(alg)}, {Buffer: branchC(alg)}},
	}}
	if _, err := either.Execute(l); err != nil {
		return nil, fmt.Errorf("the endorsement key's policy: %w", err)
	}
	return session, nil
}

// errChangedKey says that the TPM makes another attestation key than it did.
func errChangedKey(t *TPM) error {
	return evidence.Errorf(evidence.CodeAttesterFailed, t.device.String(), "the TPM has another attestation key than when it was opened: it was cleared, or is another one; open it again and enrol")
}
