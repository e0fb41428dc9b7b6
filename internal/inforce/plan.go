package inforce

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// Plan is what a candidate set would change.
type Plan struct {
	Digest   string // of the candidate
	Base     string // of the set in force that it was compared with
	Report   policies.PlanReport
	Diff     policies.Changes
	Warnings policies.Problems
}

// candidate is a set that could be put in force.
type candidate struct {
	set       *policies.Set
	documents []policies.File
	warnings  policies.Problems
}

// Lint looks for what is dangerous in documents as of now; see [policies.Lint].
func (p *Policies) Lint(documents []policies.File) (found, warnings policies.Problems) {
	return p.Reading.Lint(p.Now(), documents...)
}

// examine compiles documents and looks for what is dangerous in them. The error is
// a [policies.Problems].
func (p *Policies) examine(documents []policies.File) (*candidate, error) {
	found, warnings := p.Lint(documents)
	if len(found) > 0 {
		return nil, found
	}
	set, err := p.Reading.Load(documents...)
	if err != nil {
		return nil, err
	}
	return &candidate{set, documents, warnings}, nil
}

// Plan replays the recorded claims of live and recent attestations over a
// candidate. Nothing changes. The error is a [policies.Problems] for documents
// that cannot be put in force.
func (p *Policies) Plan(ctx context.Context, documents []policies.File) (Plan, error) {
	c, err := p.examine(documents)
	if err != nil {
		return Plan{}, err
	}
	return p.plan(ctx, c, p.Active())
}

func (p *Policies) plan(ctx context.Context, c *candidate, active *Active) (Plan, error) {
	changes, err := p.Reading.Diff(active.Documents, c.documents)
	if err != nil {
		return Plan{}, err
	}
	replay := &replay{Policies: p}
	report := policies.Plan(active.Set, c.set, replay.records(ctx), policies.PlanOptions{
		Now: p.Now(), TrustDomain: p.TrustDomain, SimulatedAccepted: p.SimulatedAccepted, Expiring: expiring, Revokes: p.Revokes,
		LeftOut: func() int { return replay.leftOut(ctx) },
	})
	return Plan{Digest: c.set.Digest(), Base: active.Set.Digest(), Report: report, Diff: changes, Warnings: c.warnings}, replay.failed
}

// replay is the look at the ledger that a plan takes.
type replay struct {
	*Policies
	unread int                   // records of a build that claimed other things
	rest   *store.IssuanceFilter // asks for what was not looked at any more; nil if there is nothing
	failed error                 // why the plan was ended early
}

// leftOut counts what was not replayed.
func (r *replay) leftOut(ctx context.Context) int {
	if r.rest == nil || r.failed != nil {
		return r.unread
	}
	older, err := r.Ledger.CountIssuances(ctx, *r.rest)
	r.failed = err
	return r.unread + int(older)
}

// records are what a plan replays, the newest first: the last refusals that are still
// known, and the attestations of the last day, and so all that live.
func (r *replay) records(ctx context.Context) iter.Seq[policies.Record] {
	now := r.Now()
	return func(yield func(policies.Record) bool) {
		for _, refusal := range r.refusals.all() {
			if refusal.At.Before(now.Add(-recent)) {
				continue
			}
			if !yield(policies.Record{ID: refusal.ID, At: refusal.At, Verdict: refusal.Verdict, Claims: refusal.Claims}) {
				return
			}
		}
		filter := store.IssuanceFilter{Since: now.Add(-recent), Claims: true, Limit: min(store.MaxPage, r.most)}
		for told := 0; ; {
			if told >= r.most {
				r.rest = &filter
				return
			}
			page, next, err := r.Ledger.Issuances(ctx, filter)
			if err != nil {
				r.failed = err
				return
			}
			for _, issuance := range page {
				if told++; ctx.Err() != nil {
					r.failed = evidence.Errorf(evidence.CodeOverloaded, "", "the plan was left after %d attestations: %w", told-1, ctx.Err())
					return
				}
				var claims []evidence.Claims
				if json.Unmarshal(issuance.Claims, &claims) != nil {
					r.unread++
					continue
				}
				live := now.Before(issuance.NotAfter) && issuance.RevokedAt.IsZero()
				if !yield(policies.Record{
					ID: issuance.AttestationID, Live: live, At: issuance.IssuedAt,
					Certified: live && issuance.Serial != "", Names: issuance.Names,
					Verdict: policies.Accepted, Workload: issuance.Workload, SPIFFEID: issuance.SPIFFEID, Claims: claims,
				}) {
					return
				}
			}
			if next == nil {
				return
			}
			filter.Before = next
		}
	}
}
