package inforce

import (
	"context"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// shadow is a candidate that is tried on every appraisal.
type shadow struct {
	store.Shadow
	since  time.Time
	try    *policies.Shadow
	counts policies.ShadowCounter
}

// ShadowStatus is the shadow set with what it would have decided since it was set, or since
// the service started.
type ShadowStatus struct {
	store.Shadow
	Since  time.Time // since when is counted
	Counts []policies.ShadowCount
	Other  uint64 // decisions that are not told apart
}

// cast has a set tried from now on.
func (p *Policies) cast(s store.Shadow) error {
	set, err := p.Reading.Load(s.Documents...)
	if err != nil {
		return err
	}
	p.shadow.Store(&shadow{Shadow: s, since: p.Now(), try: policies.NewShadow(set)})
	return nil
}

// SetShadow has a set tried on every appraisal from now on; without documents it
// ends that. It may be used where files decide.
func (p *Policies) SetShadow(ctx context.Context, event store.Event, documents []policies.File, author string) (digest string, err error) {
	p.changing.Lock()
	defer p.changing.Unlock()
	if len(documents) == 0 {
		if err := p.Ledger.SetShadow(ctx, event, nil); err != nil {
			return "", err
		}
		p.shadow.Store(nil)
		return "", nil
	}
	c, err := p.examine(documents)
	if err != nil {
		return "", err
	}
	s := store.Shadow{
		Candidate: store.Candidate{Digest: c.set.Digest(), Base: p.Active().applied(), Documents: documents, Author: author},
		Time:      event.Time,
	}
	if err := p.Ledger.SetShadow(ctx, event, &s.Candidate); err != nil {
		return "", err
	}
	return s.Digest, p.cast(s)
}

// Shadow returns the shadow set; false without one.
func (p *Policies) Shadow() (ShadowStatus, bool) {
	s := p.shadow.Load()
	if s == nil {
		return ShadowStatus{}, false
	}
	status := ShadowStatus{Shadow: s.Shadow, Since: s.since}
	status.Counts, status.Other = s.counts.Counts()
	return status, true
}

// Shadowed reports whether there is a shadow set. It costs nothing.
func (p *Policies) Shadowed() bool { return p.shadow.Load() != nil }

// Observe tries the shadow set on what was decided. It has no other effect than to
// count.
func (p *Policies) Observe(claims []evidence.Claims, decided *policies.Decision) {
	if s := p.shadow.Load(); s != nil {
		s.counts.Count(decided, s.try.Try(p.input(claims)))
	}
}
