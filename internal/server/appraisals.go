package server

import (
	"encoding/hex"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tokens"
	"github.com/quotary/quotary/verifier"
)

// AppraisalResponse is the answer to an accepted POST /v1/appraisals.
type AppraisalResponse struct {
	AttestationID string              `json:"attestation_id"`
	Verdict       verifier.Verdict    `json:"verdict"` // always "accepted": all else is a problem
	Workload      string              `json:"workload"`
	SPIFFEID      string              `json:"spiffe_id"`
	Simulated     bool                `json:"simulated"`
	PolicyDigest  string              `json:"policy_digest"`
	Relaxed       []string            `json:"relaxed,omitempty"`
	Advisories    []policies.Advisory `json:"advisories,omitempty"`
	AppraisedAt   time.Time           `json:"appraised_at"`
	EAR           *EAR                `json:"ear"`
	Claims        []evidence.Claims   `json:"claims"`
	Checks        evidence.Checks     `json:"checks"`
}

// appraisal is a decoded POST /v1/appraisals.
type appraisal struct {
	request verifier.Request
	token   tokens.Options
}

func (s *Server) decodeAppraisal(x *exchange, body []byte) (a appraisal, err error) {
	o, err := decodeObject(body, memberEvidence, memberEndorsements, "report_data", "token", "audience")
	if err != nil {
		return a, err
	}
	data, err := o.reportData()
	if err != nil {
		return a, err
	}
	if a.token.Formats, err = o.formats(); err != nil {
		return a, err
	}
	if len(a.token.Formats) == 0 {
		a.token.Formats = []tokens.Format{tokens.FormatJWT}
	}
	if a.token.Audience, err = o.audience(s.TrustDomain); err != nil {
		return a, err
	}
	bundle, err := o.evidence()
	if err != nil {
		return a, err
	}
	x.kinds = bundle.Kinds()
	a.request = verifier.Request{Bundle: bundle, Freshness: verifier.BackgroundCheck{ReportData: data}}
	a.request.Endorsements, err = o.endorsements()
	return a, err
}

// reportData returns what the caller expects in the evidence. It must be given:
// without it the result would say nothing about when the evidence was made. Hex
// is its one encoding, so that no text has two readings.
func (o object) reportData() ([]byte, error) {
	text, err := o.text("report_data")
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, evidence.Errorf(evidence.CodeReportDataNeeded, "report_data", "give the 1 to %d bytes, in hex, that you expect in the evidence", maxReportData)
	}
	data, err := hex.DecodeString(text)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeHexMalformed, "report_data", "this is not hex")
	}
	if len(data) > maxReportData {
		return nil, malformed("report_data", "report data takes at most %d bytes", maxReportData)
	}
	return data, nil
}

// appraise answers POST /v1/appraisals. It can end in a token and in nothing else.
func (s *Server) appraise(x *exchange) (reply, error) {
	g, err := s.granted(x, "appraisal", s.appraiseAndIssue)
	if err != nil {
		return reply{}, err
	}
	r := g.result
	return reply{body: AppraisalResponse{
		AttestationID: r.ID(), Verdict: r.Verdict(), Workload: r.Workload(), SPIFFEID: r.Identity().SPIFFEID,
		Simulated: r.Simulated(), PolicyDigest: r.PolicyDigest(), Relaxed: r.Relaxed(),
		Advisories:  r.Advisories(),
		AppraisedAt: r.AppraisedAt().UTC(), EAR: newEAR(g.token), Claims: r.Claims(), Checks: r.Checks(),
	}}, nil
}

func (s *Server) appraiseAndIssue(x *exchange, body []byte) (*grant, error) {
	var a appraisal
	err := s.timed("decode", func() (err error) { a, err = s.decodeAppraisal(x, body); return err })
	if err != nil {
		return nil, err
	}
	if err := s.judge(x, a.request); err != nil {
		return nil, err
	}
	g := &grant{result: x.result}
	return g, s.timed("issue", func() error {
		token, err := s.Tokens.Issue(x.result, a.token)
		g.token = &token
		return err
	})
}
