package client

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// TPM is a TPM that can be enrolled.
type TPM interface {
	// EnrolmentRequest returns the keys that are to be enrolled.
	EnrolmentRequest(ctx context.Context) (evidence.Enrolment, error)
	// Activate has the TPM decrypt a credential that was made for its keys
	// (TPM2_ActivateCredential).
	Activate(ctx context.Context, credential tee.Credential) (secret []byte, err error)
}

// EnrolOptions say what is sent besides the TPM's keys.
type EnrolOptions struct {
	// Endorsements are certificates and revocation lists of the TPM's maker, at most 16.
	Endorsements [][]byte
}

// AttestationKey is an attestation key that was enrolled.
type AttestationKey struct {
	EnrolmentID string
	// Certificates are to be sent with quotes by the key: DER, the key's first.
	Certificates [][]byte
	// EKSHA256 and AKSHA256 are the SHA-256 of the keys' SubjectPublicKeyInfo.
	EKSHA256, AKSHA256 evidence.Hex
	Simulated          bool
	NotAfter           time.Time
}

type enrolmentRequest struct {
	EKCertificates [][]byte `json:"ek_certificates,omitempty"` // base64, as all bytes
	EKPublic       []byte   `json:"ek_public,omitempty"`
	AKPublic       []byte   `json:"ak_public"`
	Endorsements   [][]byte `json:"endorsements,omitempty"`
}

type enrolmentResponse struct {
	Enrolment      string       `json:"enrolment"`
	CredentialBlob []byte       `json:"credential_blob"`
	Secret         []byte       `json:"secret"`
	EKSHA256       evidence.Hex `json:"ek_sha256"`
	AKSHA256       evidence.Hex `json:"ak_sha256"`
}

type activationRequest struct {
	Enrolment string `json:"enrolment"`
	Secret    []byte `json:"secret"`
}

type activationResponse struct {
	EnrolmentID    string       `json:"enrolment_id"`
	AKCertificates string       `json:"ak_certificates"`
	EKSHA256       evidence.Hex `json:"ek_sha256"`
	AKSHA256       evidence.Hex `json:"ak_sha256"`
	Simulated      bool         `json:"simulated"`
}

// Enrol has the service certify the attestation key of a TPM whose endorsement key
// it trusts: the TPM proves that it has both. The error is as for [Client.Attest].
func (c *Client) Enrol(ctx context.Context, tpm TPM, o EnrolOptions) (*AttestationKey, error) {
	keys, err := tpm.EnrolmentRequest(ctx)
	if err != nil {
		return nil, err
	}
	var begun enrolmentResponse
	request := enrolmentRequest{keys.EKCertificates, keys.EKPublic, keys.AKPublic, o.Endorsements}
	if err := c.call(ctx, "/v1/tpm/enrolments", request, &begun); err != nil {
		return nil, err
	}
	secret, err := tpm.Activate(ctx, tee.Credential{Blob: begun.CredentialBlob, Secret: begun.Secret})
	if err != nil {
		return nil, err
	}
	var finished activationResponse
	if err := c.call(ctx, "/v1/tpm/activations", activationRequest{begun.Enrolment, secret}, &finished); err != nil {
		return nil, err
	}
	return finished.key()
}

// key checks what came back.
func (r activationResponse) key() (*AttestationKey, error) {
	key := &AttestationKey{EnrolmentID: r.EnrolmentID, EKSHA256: r.EKSHA256, AKSHA256: r.AKSHA256, Simulated: r.Simulated}
	rest := []byte(r.AKCertificates)
	for block, after := pem.Decode(rest); block != nil; block, after = pem.Decode(rest) {
		rest = after
		key.Certificates = append(key.Certificates, block.Bytes)
	}
	if len(key.Certificates) == 0 || len(key.Certificates) > maxChain {
		return nil, unusable("ak_certificates", "there are no certificates, or too many")
	}
	leaf, err := x509.ParseCertificate(key.Certificates[0])
	if err != nil {
		return nil, unusable("ak_certificates", "the certificate cannot be read")
	}
	if sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo); !slices.Equal(sum[:], r.AKSHA256) {
		return nil, unusable("ak_certificates", "the certificate is for another key")
	}
	key.NotAfter = leaf.NotAfter
	return key, nil
}
