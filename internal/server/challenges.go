package server

import (
	"encoding/base64"
	"time"

	"github.com/quotary/quotary/evidence"
)

// ChallengeResponse is the answer to POST /v1/challenges.
type ChallengeResponse struct {
	Challenge string           `json:"challenge"` // opaque; send it back as it is
	Nonce     string           `json:"nonce"`     // base64url, 32 bytes
	Purpose   evidence.Purpose `json:"purpose"`
	Audience  string           `json:"audience"` // the trust domain
	ExpiresAt time.Time        `json:"expires_at"`
}

// challenge answers POST /v1/challenges. It keeps nothing: everything that a
// challenge is stands sealed in itself.
func (s *Server) challenge(x *exchange) (reply, error) {
	body, err := x.readBody()
	if err != nil {
		return reply{}, err
	}
	o, err := decodeObject(body, "purpose")
	if err != nil {
		return reply{}, err
	}
	text, err := o.text("purpose")
	if err != nil {
		return reply{}, err
	}
	purpose := evidence.Purpose(text)
	if purpose != evidence.PurposeCertificate && purpose != evidence.PurposeToken {
		return reply{}, malformed("purpose", "the purposes are %q and %q", evidence.PurposeCertificate, evidence.PurposeToken)
	}
	c, sealed := s.Challenger.Issue(purpose, s.TrustDomain, s.Now())
	return reply{body: ChallengeResponse{
		Challenge: sealed, Nonce: base64.RawURLEncoding.EncodeToString(c.Nonce[:]),
		Purpose: c.Purpose, Audience: c.Audience, ExpiresAt: c.Expires.UTC(),
	}}, nil
}
