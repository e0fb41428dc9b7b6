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
	var failed error
	report := policies.Plan(active.Set, c.set, p.records(ctx, &failed), policies.PlanOptions{
		Now: p.Now(), TrustDomain: p.TrustDomain, SimulatedAccepted: p.SimulatedAccepted, Expiring: expiring,
	})
	return Plan{Digest: c.set.Digest(), Base: active.Set.Digest(), Report: report, Diff: changes, Warnings: c.warnings}, failed
}

// records are the attestations that a plan replays, the newest first: those of the last day,
// and so all that live. An attestation that ends a plan early leaves its
// error in failed.
func (p *Policies) records(ctx context.Context, failed *error) iter.Seq[policies.Record] {
	now := p.Now()
	return func(yield func(policies.Record) bool) {
		filter := store.IssuanceFilter{Since: now.Add(-recent), Claims: true, Limit: store.MaxPage}
		for told := 0; told < maxRecords; {
			page, next, err := p.Ledger.Issuances(ctx, filter)
			if err != nil {
				*failed = err
				return
			}
			for _, issuance := range page {
				var claims []evidence.Claims
				if json.Unmarshal(issuance.Claims, &claims) != nil {
					continue // of a build that claimed other things
				}
				if told++; ctx.Err() != nil {
					*failed = evidence.Errorf(evidence.CodeOverloaded, "", "the plan was left after %d attestations: %w", told-1, ctx.Err())
					return
				}
				if !yield(policies.Record{
					ID: issuance.AttestationID, Live: now.Before(issuance.NotAfter), At: issuance.IssuedAt,
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
