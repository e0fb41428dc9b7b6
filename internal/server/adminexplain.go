package server

import (
	"context"
	"encoding/json"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/inforce"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/verifier"
)

// Subject is what an explanation is about: an attestation of the ledger, or the
// evidence that was sent.
type Subject struct {
	AttestationID string          `json:"attestation_id,omitempty"`
	IssuedAt      time.Time       `json:"issued_at,omitzero"`
	RefusedAt     time.Time       `json:"refused_at,omitzero"`     // of one that was granted nothing
	Workload      string          `json:"workload,omitempty"`      // as it was decided then
	SPIFFEID      string          `json:"spiffe_id,omitempty"`     // likewise
	PolicyDigest  string          `json:"policy_digest,omitempty"` // of the set that decided then
	Kinds         []evidence.Kind `json:"kinds"`
	Simulated     bool            `json:"simulated"`
	// Incomplete says that the ledger has not all that was claimed: the files of a
	// kernel's measurement list are left out. Checks on them are not performed.
	Incomplete bool `json:"incomplete,omitempty"`
}

// ExplainResponse is the answer to POST /v1/admin/policy/explain.
type ExplainResponse struct {
	Verdict      policies.Verdict `json:"verdict"` // of the set that was asked
	Workload     string           `json:"workload,omitempty"`
	PolicyDigest string           `json:"policy_digest"`
	Subject      Subject          `json:"subject"`
	policies.Explanation
}

// explain answers POST /v1/admin/policy/explain. To look at what is recorded takes
// no more than to read; evidence and candidates take what planning takes.
func (s *Server) explain(x *exchange) (reply, error) {
	o, err := s.decodeQuestion(x)
	if err != nil {
		return reply{}, err
	}
	candidate, given, err := o.documents()
	if err != nil {
		return reply{}, err
	}
	if given && len(candidate) == 0 {
		return reply{}, malformed(memberDocuments, "this is empty")
	}
	at, err := o.time("at")
	if err != nil {
		return reply{}, err
	}
	if at.IsZero() {
		at = s.Now()
	}
	subject, claims, err := s.subject(x, o, at)
	if err != nil {
		return reply{}, err
	}
	var e policies.Explanation
	judge := func() (err error) { e, err = s.Policies.Explain(claims, candidate, at); return err }
	if given { // to compile a set takes seconds, for which no appraisal is to wait
		err = s.computing(x, func(context.Context) error { return judge() })
	} else {
		err = s.underGate(x, judge)
	}
	if err != nil {
		return reply{}, err
	}
	return reply{body: ExplainResponse{e.Decision.Verdict, e.Decision.Workload, e.Decision.Digest, subject, e}}, nil
}

// decodeQuestion reads as much as the caller is permitted to ask.
func (s *Server) decodeQuestion(x *exchange) (object, error) {
	refusal := s.may(x, admin.Explain)
	if refusal == nil {
		return s.decodeUpload(x, "attestation_id", memberEvidence, "at", memberDocuments)
	}
	o, err := x.decodeCall(maxCall, "attestation_id", memberEvidence, "at", memberDocuments)
	if err != nil {
		return nil, err
	}
	_, evidenced := o[memberEvidence]
	if _, candidate := o[memberDocuments]; evidenced || candidate {
		return nil, refusal
	}
	return o, nil
}

// subject finds what is asked about, and what it claims.
func (s *Server) subject(x *exchange, o object, at time.Time) (Subject, []evidence.Claims, error) {
	_, recorded := o["attestation_id"]
	_, sent := o[memberEvidence]
	if recorded == sent {
		return Subject{}, nil, malformed("attestation_id", "ask about one thing: attestation_id or evidence")
	}
	if sent {
		return s.sent(x, o, at)
	}
	id, err := o.attestationID()
	if err != nil {
		return Subject{}, nil, err
	}
	if refusal, ok := s.Policies.Refusal(id); ok {
		x.caller.about = id
		return refusedSubject(refusal), refusal.Claims, nil
	}
	issuance, err := s.Records.Issuance(x.r.Context(), id)
	if err != nil {
		return Subject{}, nil, err
	}
	x.caller.about = issuance.AttestationID
	return recordedSubject(issuance)
}

func refusedSubject(r inforce.Refusal) Subject {
	subject := Subject{AttestationID: r.ID, RefusedAt: r.At.UTC(), Workload: r.Workload, PolicyDigest: r.Digest, Kinds: []evidence.Kind{}}
	for _, c := range r.Claims {
		subject.add(c)
	}
	return subject
}

// add says what the subject is by one item's claims.
func (s *Subject) add(c evidence.Claims) {
	s.Kinds = append(s.Kinds, c.Kind)
	s.Simulated = s.Simulated || c.Simulated
	s.Incomplete = s.Incomplete || c.TPM != nil && c.TPM.IMA != nil && c.TPM.IMA.FilesOmitted
}

func recordedSubject(i *store.Issuance) (Subject, []evidence.Claims, error) {
	var claims []evidence.Claims
	if err := json.Unmarshal(i.Claims, &claims); err != nil {
		return Subject{}, nil, evidence.Errorf(evidence.CodeAttestationUnknown, "attestation_id", "another build recorded this attestation, and this one cannot read its claims")
	}
	subject := Subject{
		AttestationID: i.AttestationID, IssuedAt: i.IssuedAt.UTC(), Workload: i.Workload, SPIFFEID: i.SPIFFEID, PolicyDigest: i.PolicyDigest,
		Kinds: []evidence.Kind{},
	}
	for _, c := range claims {
		subject.add(c)
	}
	return subject, claims, nil
}

// sent examines evidence: whether it is genuine, not whether it is fresh. Nothing
// can be issued on that. Evidence that is not genuine claims nothing.
func (s *Server) sent(x *exchange, o object, at time.Time) (Subject, []evidence.Claims, error) {
	bundle, err := o.evidence()
	if err != nil {
		return Subject{}, nil, err
	}
	x.kinds = bundle.Kinds()
	e, err := s.examine(x, bundle, at)
	if err != nil {
		return Subject{}, nil, err
	}
	if e.Verdict != verifier.Genuine {
		return Subject{}, nil, newUnexplained(e)
	}
	subject := Subject{Kinds: x.kinds}
	var claims []evidence.Claims
	for _, item := range e.Items {
		claims = append(claims, item.Outcome.Claims)
		subject.Simulated = subject.Simulated || item.Outcome.Claims.Simulated
	}
	return subject, claims, nil
}

// examine examines evidence, and fetches what that lacks as an appraisal does.
func (s *Server) examine(x *exchange, bundle evidence.Bundle, at time.Time) (e verifier.Examination, err error) {
	ctx, cancel := context.WithTimeout(x.r.Context(), fetchPatience)
	defer cancel()
	for range 1 + fetchRounds {
		err = s.underGate(x, func() error {
			return s.timed("appraise", func() error { e = s.Appraiser.ExamineAt(bundle, nil, at); return nil })
		})
		wanted := e.Wanted()
		if err != nil || s.Endorser == nil || len(wanted) == 0 {
			return e, err
		}
		if _, missed := s.fetch(ctx, x, wanted); missed != nil {
			return e, nil // there is nothing else to be had, so what there is decides
		}
	}
	return e, nil
}

// unexplained is the error of evidence that there is nothing to explain of.
type unexplained struct {
	reason      *evidence.Error
	examination verifier.Examination
}

func newUnexplained(e verifier.Examination) error {
	if e.Verdict == verifier.Undecided {
		return &unexplained{evidence.Errorf(evidence.CodeEndorsementsMissing, "", "an endorsement is missing, see missing; whether the evidence is genuine cannot be said"), e}
	}
	return &unexplained{evidence.Errorf(evidence.CodeNotAccepted, "", "the evidence is not genuine, so it claims nothing that a policy could judge; %s", whyRejected(e.Checks)), e}
}

func (e *unexplained) Error() string { return e.reason.Error() }

func (e *unexplained) Unwrap() error { return e.reason }
