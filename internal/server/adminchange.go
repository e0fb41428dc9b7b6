package server

import (
	"context"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/inforce"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/verifier"
)

// PlanResponse is the answer to POST /v1/admin/policy/plan.
type PlanResponse struct {
	Digest   string              `json:"digest"`
	Base     string              `json:"base"` // the set in force, that it was compared with
	Plan     policies.PlanReport `json:"plan"`
	Diff     policies.Changes    `json:"diff"`
	Warnings []DocumentProblem   `json:"warnings"`
}

// ChangeResponse is the answer to POST /v1/admin/policy/apply and rollback.
type ChangeResponse struct {
	PlanResponse
	Applied  bool             `json:"applied"`
	InForce  bool             `json:"in_force,omitempty"` // already: nothing was changed
	Seq      int64            `json:"seq,omitempty"`
	Proposal *ProposalPending `json:"proposal,omitempty"` // where more owners must agree
}

// ProposalPending is a proposal that waits for approvals.
type ProposalPending struct {
	ID        int64     `json:"id"`
	Approvals int       `json:"approvals"` // that count
	Needed    int       `json:"needed"`
	ExpiresAt time.Time `json:"expires_at"`
}

func newPlan(p inforce.Plan) PlanResponse {
	return PlanResponse{p.Digest, p.Base, p.Report, p.Diff, newDocumentProblems(p.Warnings)}
}

// plan answers POST /v1/admin/policy/plan.
func (s *Server) plan(x *exchange) (reply, error) {
	o, err := s.decodeUpload(x, memberDocuments)
	if err != nil {
		return reply{}, err
	}
	files, err := o.neededDocuments()
	if err != nil {
		return reply{}, err
	}
	var plan inforce.Plan
	err = s.computing(x, func(ctx context.Context) (err error) { plan, err = s.Policies.Plan(ctx, files); return err })
	return reply{body: newPlan(plan)}, err
}

// apply answers POST /v1/admin/policy/apply.
func (s *Server) apply(x *exchange) (reply, error) {
	o, err := s.decodeUpload(x, memberDocuments, "base", "comment", "dry_run")
	if err != nil {
		return reply{}, err
	}
	change, dry, err := s.decodeChange(x, o, admin.Apply)
	if err != nil {
		return reply{}, err
	}
	if change.Documents, err = o.neededDocuments(); err != nil {
		return reply{}, err
	}
	return s.changePolicy(x, actionApply, change, dry)
}

// rollback answers POST /v1/admin/policy/rollback.
func (s *Server) rollback(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, "seq", "base", "comment", "dry_run")
	if err != nil {
		return reply{}, err
	}
	change, dry, err := s.decodeChange(x, o, admin.Rollback)
	if err != nil {
		return reply{}, err
	}
	seq, err := o.needed("seq")
	if err != nil {
		return reply{}, err
	}
	if change, err = s.Policies.Earlier(x.r.Context(), seq, change); err != nil {
		return reply{}, err
	}
	return s.changePolicy(x, actionRollback, change, dry)
}

// decodeChange reads what all changes of the policy say of themselves, and refuses
// those that the caller may not make. Who may not apply a set may still propose
// one, where that is what becomes of a change.
func (s *Server) decodeChange(x *exchange, o object, needs admin.Action) (c inforce.Change, dry bool, err error) {
	c.Author, c.Serial, c.Consents = x.caller.Actor(), x.caller.Credential(), s.may(x, admin.Approve) == nil
	if err := o.into(map[string]*string{"base": &c.Base, "comment": &c.Comment}); err != nil {
		return c, false, err
	}
	if c.Base == "" {
		return c, false, malformed("base", "name the digest of the set that the change starts from")
	}
	dry, err = o.dryRun()
	if x.caller.dry = dry; err != nil || dry {
		return c, dry, err
	}
	if s.Policies.Approvals > 1 {
		needs = admin.Propose
	}
	return c, false, s.may(x, needs)
}

// changePolicy tries or makes a change.
func (s *Server) changePolicy(x *exchange, action string, change inforce.Change, dry bool) (reply, error) {
	var outcome inforce.Outcome
	var err error
	if dry {
		err = s.computing(x, func(ctx context.Context) (err error) { outcome, err = s.Policies.Rehearse(ctx, change); return err })
	} else {
		err = s.changing(x, action, func(_ context.Context, event store.Event) (err error) {
			outcome, err = s.Policies.Apply(x.r.Context(), event, change)
			return err
		})
		x.caller.recorded = x.caller.recorded && !outcome.InForce // the ledger has no change
	}
	if err != nil {
		return reply{}, err
	}
	r := ChangeResponse{PlanResponse: newPlan(outcome.Plan), Applied: outcome.Applied, InForce: outcome.InForce, Seq: outcome.Seq}
	if p := outcome.Proposal; p != nil {
		r.Proposal = &ProposalPending{p.ID, s.Policies.Agreed(*p), s.Administrators.Approvals(), p.Expires.UTC()}
	}
	return reply{body: r}, nil
}

// decodeUpload reads a call that may carry documents. Few are read at once: each
// takes tens of megabytes.
func (s *Server) decodeUpload(x *exchange, may ...string) (object, error) {
	slot, err := s.uploads.enter(x.r.Context())
	if err != nil {
		return nil, err
	}
	defer slot.leave()
	return x.decodeCall(maxUpload, may...)
}

// ShadowResponse is the answer to GET /v1/admin/policy/shadow. All but the digest
// is missing if there is no shadow.
type ShadowResponse struct {
	Digest    string                 `json:"digest"`
	Author    string                 `json:"author,omitempty"`
	Since     time.Time              `json:"since,omitzero"` // when the counts began
	Documents []Document             `json:"documents,omitempty"`
	Counts    []policies.ShadowCount `json:"counts,omitempty"`
	Other     uint64                 `json:"other,omitempty"` // decisions that are not told apart
}

// ShadowSetResponse is the answer to POST /v1/admin/policy/shadow.
type ShadowSetResponse struct {
	Digest string `json:"digest"` // empty if there is none any more
}

// shadow answers GET /v1/admin/policy/shadow.
func (s *Server) shadow(*exchange) (reply, error) {
	shadow, ok := s.Policies.Shadow()
	if !ok {
		return reply{body: ShadowResponse{}}, nil
	}
	return reply{body: ShadowResponse{
		Digest: shadow.Digest, Author: shadow.Author, Since: shadow.Since.UTC(),
		Documents: newDocuments(shadow.Documents), Counts: shadow.Counts, Other: shadow.Other,
	}}, nil
}

// setShadow answers POST /v1/admin/policy/shadow.
func (s *Server) setShadow(x *exchange) (reply, error) {
	o, err := s.decodeUpload(x, memberDocuments)
	if err != nil {
		return reply{}, err
	}
	files, err := o.neededDocuments()
	if err != nil {
		return reply{}, err
	}
	var r ShadowSetResponse
	err = s.changing(x, actionShadow, func(ctx context.Context, event store.Event) (err error) {
		r.Digest, err = s.Policies.SetShadow(ctx, event, files, x.caller.Actor())
		return err
	})
	return reply{body: r}, err
}

// noteOutcome has plans and explanations know what policy has refused.
func (s *Server) noteOutcome(r verifier.Result) {
	if r.Accepted() {
		s.Policies.Admitted(r.Claims)
		return
	}
	if r.PolicyDigest() == "" {
		return
	}
	s.Policies.Refused(inforce.Refusal{
		ID: r.ID(), At: r.AppraisedAt(), Verdict: policies.Verdict(r.Verdict()), Workload: r.Workload(), Digest: r.PolicyDigest(), Claims: r.Claims(),
	})
}

// tryShadow tries the shadow set on an appraisal that policy has judged. Whatever
// becomes of that, the appraisal stays as it is.
func (s *Server) tryShadow(x *exchange) {
	if !s.Policies.Shadowed() || x.result.PolicyDigest() == "" {
		return
	}
	defer func() {
		if fault := recover(); fault != nil {
			s.Logger.Error("the shadow set could not be tried", "cause", fault, "code", evidence.CodeInternal.String())
		}
	}()
	r := x.result
	s.Policies.Observe(r.Claims(), &policies.Decision{Verdict: policies.Verdict(r.Verdict()), Workload: r.Workload(), Identity: r.Identity()})
}
