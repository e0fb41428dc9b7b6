package server

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tokens"
	"github.com/quotary/quotary/verifier"
)

// AttestationResponse is the answer to an accepted POST /v1/attestations.
type AttestationResponse struct {
	AttestationID string              `json:"attestation_id"`
	Verdict       verifier.Verdict    `json:"verdict"` // always "accepted": all else is a problem
	Workload      string              `json:"workload"`
	SPIFFEID      string              `json:"spiffe_id"`
	Simulated     bool                `json:"simulated"`
	PolicyDigest  string              `json:"policy_digest"`
	Relaxed       []string            `json:"relaxed,omitempty"`    // what the policy waives of the strict defaults
	Advisories    []policies.Advisory `json:"advisories,omitempty"` // that the platform is behind
	AppraisedAt   time.Time           `json:"appraised_at"`
	NotAfter      time.Time           `json:"not_after"` // of the certificate, or of the tokens if there is none
	RenewAt       time.Time           `json:"renew_at"`
	SVID          *SVID               `json:"svid,omitempty"`
	Bundle        json.RawMessage     `json:"bundle,omitempty"` // the SPIFFE trust bundle, with svid
	EAR           *EAR                `json:"ear,omitempty"`
	JWTSVID       *JWTSVID            `json:"jwt_svid,omitempty"`
	Checks        evidence.Checks     `json:"checks"`
}

// SVID is an issued certificate.
type SVID struct {
	Certificates string    `json:"certificates"` // PEM, leaf first, without the root
	Serial       string    `json:"serial"`       // lower-case hex
	DNSNames     []string  `json:"dns_names,omitempty"`
	IPAddresses  []net.IP  `json:"ip_addresses,omitempty"`
	NotBefore    time.Time `json:"not_before"`
	NotAfter     time.Time `json:"not_after"`
}

// EAR is an attestation result in the formats that were asked for.
type EAR struct {
	ID        string    `json:"id"` // jti
	JWT       string    `json:"jwt,omitempty"`
	CWT       string    `json:"cwt,omitempty"` // base64url
	ExpiresAt time.Time `json:"expires_at"`
}

// JWTSVID is an issued JWT-SVID.
type JWTSVID struct {
	Token     string    `json:"token"`
	Audience  []string  `json:"audience"`
	ExpiresAt time.Time `json:"expires_at"`
}

// memberJWTSVID asks for a JWT-SVID, and has it in the answer.
const memberJWTSVID = "jwt_svid"

// attestation is a decoded POST /v1/attestations.
type attestation struct {
	challenge string
	request   verifier.Request
	token     tokens.Options
	jwtSVID   []string // the audiences of a JWT-SVID; nil if none is wanted
}

// decodeAttestation returns the challenge with an error too, if it could be read.
func (s *Server) decodeAttestation(x *exchange, body []byte) (a attestation, err error) {
	o, err := decodeObject(body, "challenge", "evidence", memberEndorsements, "csr", "public_key", "token", "audience", memberJWTSVID)
	if err != nil {
		return a, err
	}
	if a.challenge, err = o.text("challenge"); err != nil {
		return a, err
	}
	answer := verifier.Answer{Challenge: a.challenge}
	if answer.CSR, err = o.der("csr", "CERTIFICATE REQUEST"); err != nil {
		return a, err
	}
	if answer.PublicKey, err = o.der("public_key", "PUBLIC KEY"); err != nil {
		return a, err
	}
	if a.token.Formats, err = o.formats(); err != nil {
		return a, err
	}
	if a.token.Audience, err = o.audience(s.TrustDomain); err != nil {
		return a, err
	}
	if a.jwtSVID, err = o.texts(memberJWTSVID); err != nil {
		return a, err
	}
	bundle, err := o.evidence()
	if err != nil {
		return a, err
	}
	x.kinds = bundle.Kinds()
	a.request = verifier.Request{Bundle: bundle, Freshness: answer}
	a.request.Endorsements, err = o.endorsements()
	return a, err
}

// attest answers POST /v1/attestations: decode, appraise, issue, record, and
// only then let it go.
func (s *Server) attest(x *exchange) (reply, error) {
	g, err := s.granted(x, "attestation", s.attestAndIssue)
	if err != nil {
		return reply{}, err
	}
	return reply{body: s.attestationResponse(g)}, nil
}

// grant is what is ready to leave, and does so once it is recorded.
type grant struct {
	result verifier.Result
	svid   *ca.SVID      // nil if the purpose was a token
	bundle []byte        // the trust bundle, with svid
	token  *tokens.Token // nil if none was asked for
	jwt    *tokens.SVID  // nil if none was asked for
}

// granted takes a request from its body to what is recorded and may leave.
func (s *Server) granted(x *exchange, action string, work func(*exchange, []byte) (*grant, error)) (*grant, error) {
	body, err := x.readBody()
	if err != nil {
		return nil, err
	}
	var g *grant
	epoch := s.Continuous.Epoch() // before anything is judged by what is in force
	if err := s.underGate(x, func() (err error) { g, err = work(x, body); return err }); err != nil {
		return nil, err
	}
	if err := s.recordIssuance(x, action, g); err != nil {
		return nil, err
	}
	if g.svid != nil {
		s.Continuous.Issued(epoch, g.result.AppraisedAt())
	}
	return g, nil
}

// underGate does the part of a request that costs CPU time within the bound on
// how many do so at once.
func (s *Server) underGate(x *exchange, work func() error) error {
	err := s.timed("wait", func() (err error) { x.slot, err = s.gate.enter(x.r.Context()); return err })
	if err != nil {
		return err
	}
	defer x.slot.leave()
	return work()
}

func (s *Server) attestAndIssue(x *exchange, body []byte) (*grant, error) {
	var a attestation
	err := s.timed("decode", func() (err error) { a, err = s.decodeAttestation(x, body); return err })
	if err != nil {
		s.Appraiser.Spend(a.challenge)
		return nil, err
	}
	if err := s.judge(x, a.request); err != nil {
		return nil, err
	}
	g := &grant{result: x.result}
	return g, s.timed("issue", func() error { return s.issue(g, a) })
}

// issue makes what the challenge's purpose calls for.
func (s *Server) issue(g *grant, a attestation) (err error) {
	if g.result.Purpose() == evidence.PurposeCertificate {
		if g.svid, err = s.Authority.Issue(g.result); err != nil {
			return err
		}
		if g.bundle, err = s.Authority.Bundle(); err != nil {
			return err
		}
	} else if len(a.token.Formats) == 0 && a.jwtSVID == nil {
		a.token.Formats = []tokens.Format{tokens.FormatJWT}
	}
	if a.jwtSVID != nil {
		svid, err := s.JWTSVIDs.Issue(g.result, a.jwtSVID)
		if err != nil {
			return err
		}
		g.jwt = &svid
	}
	if len(a.token.Formats) == 0 {
		return nil
	}
	token, err := s.Tokens.Issue(g.result, a.token)
	if err != nil {
		return err
	}
	g.token = &token
	return nil
}

func (s *Server) attestationResponse(g *grant) AttestationResponse {
	r := AttestationResponse{
		AttestationID: g.result.ID(), Verdict: g.result.Verdict(),
		Workload: g.result.Workload(), SPIFFEID: g.result.Identity().SPIFFEID,
		Simulated: g.result.Simulated(), PolicyDigest: g.result.PolicyDigest(), Relaxed: g.result.Relaxed(),
		Advisories:  g.result.Advisories(),
		AppraisedAt: g.result.AppraisedAt().UTC(), Checks: g.result.Checks(),
	}
	if g.jwt != nil {
		r.JWTSVID = &JWTSVID{Token: g.jwt.Token, Audience: g.jwt.Audience, ExpiresAt: g.jwt.Expires.UTC()}
		r.NotAfter = g.jwt.Expires.UTC()
	}
	if g.token != nil {
		r.EAR = newEAR(g.token)
		r.NotAfter = g.token.Expires.UTC()
	}
	r.RenewAt = r.AppraisedAt.Add(r.NotAfter.Sub(r.AppraisedAt) / 2)
	if g.svid != nil {
		r.SVID = &SVID{
			Certificates: string(g.svid.PEM()), Serial: g.svid.Serial, DNSNames: g.svid.DNSNames, IPAddresses: g.svid.IPAddresses,
			NotBefore: g.svid.NotBefore.UTC(), NotAfter: g.svid.NotAfter.UTC(),
		}
		r.Bundle = g.bundle
		r.NotAfter, r.RenewAt = g.svid.NotAfter.UTC(), g.svid.RenewAt.UTC()
	}
	return r
}

func newEAR(t *tokens.Token) *EAR {
	return &EAR{ID: t.ID.String(), JWT: t.JWT, CWT: base64.RawURLEncoding.EncodeToString(t.CWT), ExpiresAt: t.Expires.UTC()}
}
