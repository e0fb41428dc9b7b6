package client

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/quotary/quotary/client/internal/exchange"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Format is an encoding of an attestation result (EAR).
type Format string

// The formats of attestation results.
const (
	JWT Format = "jwt"
	CWT Format = "cwt"
)

// AttestOptions say what an attestation is to bring. The zero value asks for a
// certificate.
type AttestOptions struct {
	// Purpose is PurposeCertificate, the default, or PurposeToken for a token alone.
	Purpose evidence.Purpose
	// Tokens are the formats in which an attestation result is wanted too.
	Tokens []Format
	// Audience is the relying party that the tokens are for; empty means the trust domain.
	Audience string
	// JWTSVID are the audiences of a JWT-SVID that is wanted too; none if there are none.
	JWTSVID []string
	// Endorsements are vendors' certificates, CRLs and collateral, each as the vendor
	// published it, that save the service from fetching them. At most 16.
	Endorsements [][]byte
}

// challengeResponse is the answer to POST /v1/challenges.
type challengeResponse struct {
	Challenge string           `json:"challenge"`
	Nonce     string           `json:"nonce"`
	Purpose   evidence.Purpose `json:"purpose"`
	Audience  string           `json:"audience"`
}

// attestationRequest is a POST /v1/attestations.
type attestationRequest struct {
	Challenge string          `json:"challenge"`
	Evidence  evidence.Bundle `json:"evidence"`
	CSR       string          `json:"csr"`
	Token     []Format        `json:"token,omitempty"`
	Audience  string          `json:"audience,omitempty"`
	JWTSVID   []string        `json:"jwt_svid,omitempty"`

	Endorsements [][]byte `json:"endorsements,omitempty"` // base64
}

// attestationResponse is the answer to it.
type attestationResponse struct {
	AttestationID string    `json:"attestation_id"`
	Verdict       string    `json:"verdict"`
	Workload      string    `json:"workload"`
	SPIFFEID      string    `json:"spiffe_id"`
	Simulated     bool      `json:"simulated"`
	PolicyDigest  string    `json:"policy_digest"`
	NotAfter      time.Time `json:"not_after"`
	RenewAt       time.Time `json:"renew_at"`
	SVID          *struct {
		Certificates string `json:"certificates"`
	} `json:"svid"`
	Bundle json.RawMessage `json:"bundle"`
	EAR    *earWire        `json:"ear"`

	JWTSVID *jwtSVIDWire `json:"jwt_svid"`

	Checks exchange.ChecksWire `json:"checks"`
}

type earWire struct {
	ID        string    `json:"id"`
	JWT       string    `json:"jwt"`
	CWT       string    `json:"cwt"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Attest has the machine answer a challenge of the service for key, and returns
// the identity that the service's policy grants it. What comes back is checked:
// the certificate verifies under the trust bundle that comes with it, is for key and the
// SPIFFE ID that the service names, and is valid now. Where several attest with one TPM at the
// same time, the service takes the quotes in their order alone; those that it refuses
// for that are made anew, a few times.
//
// The error is a *[Problem] if the service refused, an *evidence.Error if its
// answer is not usable, or the attester's.
func (c *Client) Attest(ctx context.Context, machine tee.Attester, key crypto.Signer, o AttestOptions) (*Identity, error) {
	if o.Purpose == "" {
		o.Purpose = evidence.PurposeCertificate
	}
	public, err := evidence.NewKey(key.Public())
	if err != nil {
		return nil, err
	}
	var response attestationResponse
	for attempt := 1; ; attempt++ {
		response = attestationResponse{}
		err = c.attest(ctx, machine, key, public, o, &response)
		if err == nil {
			return c.identity(response, key, public, o)
		}
		if attempt == maxOvertaken || !overtaken(err) || !giveWay(ctx, attempt) {
			return nil, err
		}
	}
}

// giveWay waits for a random time that doubles with each attempt, so that those who
// overtake each other do so no longer. It is false if ctx ended.
func giveWay(ctx context.Context, attempt int) bool {
	select {
	case <-time.After(mathrand.N(giveWayFor << attempt)):
		return true
	case <-ctx.Done():
		return false
	}
}

// attest makes one attempt.
func (c *Client) attest(ctx context.Context, machine tee.Attester, key crypto.Signer, public evidence.Key, o AttestOptions, response *attestationResponse) error {
	request, err := c.answer(ctx, machine, key, public, o)
	if err != nil {
		return err
	}
	return c.call(ctx, "/v1/attestations", request, response)
}

// overtaken reports whether a quote was refused for nothing but that a later one by the same
// TPM was accepted before it.
func overtaken(err error) bool {
	var p *Problem
	if !errors.As(err, &p) {
		return false
	}
	failed := p.Checks.Failed()
	return p.Reason.Code == evidence.CodeTPMClock || len(failed) == 1 && failed[0].Code == evidence.CodeTPMClock
}

// answer asks for a challenge and has the machine answer it.
func (c *Client) answer(ctx context.Context, machine tee.Attester, key crypto.Signer, public evidence.Key, o AttestOptions) (attestationRequest, error) {
	var challenge challengeResponse
	if err := c.call(ctx, "/v1/challenges", map[string]evidence.Purpose{"purpose": o.Purpose}, &challenge); err != nil {
		return attestationRequest{}, err
	}
	nonce, err := base64.RawURLEncoding.Strict().DecodeString(challenge.Nonce)
	if err != nil || len(nonce) != evidence.NonceSize || challenge.Purpose != o.Purpose || challenge.Audience != c.trustDomain {
		return attestationRequest{}, unusable("challenge", "the challenge is not one for purpose %q in trust domain %q", o.Purpose, c.trustDomain)
	}
	kinds := slices.Clone(machine.Kinds())
	slices.Sort(kinds)
	binding := evidence.NewBinding(o.Purpose, [evidence.NonceSize]byte(nonce), public.SPKI(), challenge.Audience, kinds)
	bundle, err := machine.Attest(ctx, binding)
	if err != nil {
		return attestationRequest{}, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return attestationRequest{}, err
	}
	return attestationRequest{
		Challenge: challenge.Challenge, Evidence: bundle, Token: o.Tokens, Audience: o.Audience, JWTSVID: o.JWTSVID, Endorsements: o.Endorsements,
		CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})),
	}, nil
}
