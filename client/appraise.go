package client

import (
	"context"

	"github.com/quotary/quotary/client/internal/exchange"
	"github.com/quotary/quotary/evidence"
)

// AppraiseOptions say what a background check is to bring.
type AppraiseOptions struct {
	// Tokens are the formats of the attestation result; none means JWT.
	Tokens []Format
	// Audience is the relying party that it is for; empty means the trust domain.
	Audience string
	// Endorsements are as in [AttestOptions].
	Endorsements [][]byte
}

// Appraisal is the outcome of a background check that was accepted.
type Appraisal struct {
	AttestationID string
	Workload      string
	SPIFFEID      string // whom the evidence would be certified as; nothing was certified
	Simulated     bool
	PolicyDigest  string
	Token         *Token
	Claims        []evidence.Claims
	Checks        evidence.Checks
}

type appraisalRequest struct {
	Evidence   evidence.Bundle `json:"evidence"`
	ReportData evidence.Hex    `json:"report_data"`
	Token      []Format        `json:"token"`
	Audience   string          `json:"audience,omitempty"`

	Endorsements [][]byte `json:"endorsements,omitempty"` // base64
}

type appraisalResponse struct {
	AttestationID string              `json:"attestation_id"`
	Verdict       string              `json:"verdict"`
	Workload      string              `json:"workload"`
	SPIFFEID      string              `json:"spiffe_id"`
	Simulated     bool                `json:"simulated"`
	PolicyDigest  string              `json:"policy_digest"`
	EAR           *earWire            `json:"ear"`
	Claims        []evidence.Claims   `json:"claims"`
	Checks        exchange.ChecksWire `json:"checks"`
}

// Appraise has the service judge evidence that carries reportData, 1 to 64
// bytes, which should contain a nonce of the caller's. The error is as for
// [Client.Attest].
func (c *Client) Appraise(ctx context.Context, bundle evidence.Bundle, reportData []byte, o AppraiseOptions) (*Appraisal, error) {
	if len(o.Tokens) == 0 {
		o.Tokens = []Format{JWT}
	}
	var r appraisalResponse
	if err := c.call(ctx, "/v1/appraisals", appraisalRequest{bundle, reportData, o.Tokens, o.Audience, o.Endorsements}, &r); err != nil {
		return nil, err
	}
	if r.Verdict != "accepted" {
		return nil, unusable("verdict", "the verdict is not one of an answer without problem")
	}
	token, err := r.EAR.token(o.Tokens)
	if err != nil {
		return nil, err
	}
	return &Appraisal{
		AttestationID: r.AttestationID, Workload: r.Workload, SPIFFEID: r.SPIFFEID, Simulated: r.Simulated,
		PolicyDigest: r.PolicyDigest, Token: token, Claims: r.Claims, Checks: r.Checks.Known(),
	}, nil
}
