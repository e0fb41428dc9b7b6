// Package inforce holds the policy set that is in force, and is the one way to put
// another in its place: plan it, apply it, have it approved, roll back. It also
// tries a candidate in the shadow of the set in force.
//
// Who manages the set is fixed at start. Where the configuration names policy
// files, these decide, and a reload replaces them. Otherwise the service does: the
// data directory's folder decides until a set is first applied; from then on the
// ledger's last one does, whatever is in the folder.
//
// A change is recorded before it takes effect, and only if the set that it was made
// against is still in force. Readers take the set with [Policies.Set], without a
// lock; one appraisal uses one set.
//
// Start at [Open].
package inforce

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// Mode says who manages the set.
type Mode string

// The modes.
const (
	ByFiles   Mode = "files"   // the configuration names the files
	ByService Mode = "service" // administrators apply sets
)

// Config is what [Policies] work with.
type Config struct {
	Ledger *store.Store
	Mode   Mode
	// Files are the documents that the configuration names, or of the folder.
	Files []policies.File
	// Reading says how documents are read: which keys may sign reference values.
	Reading policies.Options
	// Approvals is how many owners must agree to a change; 0 and 1 are the author alone.
	Approvals int
	// Revoked reports whether a certificate by which somebody approved is revoked, or of a
	// CA that was replaced, or nobody can tell; nil for none.
	Revoked func(serial string) bool
	// TrustDomain and SimulatedAccepted are the service's, for plans and explanations.
	TrustDomain       string
	SimulatedAccepted bool
	// Revokes says that certificates are revoked which the set in force no longer grants.
	Revokes bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Policies is the set in force. It is safe for concurrent use.
type Policies struct {
	Config
	changing sync.Mutex // one change at a time
	active   atomic.Pointer[Active]
	shadow   atomic.Pointer[shadow] // nil without one
	refusals refusals               // the last ones

	most      int   // how many attestations a plan replays
	unwatched error // why the shadow that was kept is not tried; nil if it is
}

// Active is a set in force. It never changes.
type Active struct {
	Set  *policies.Set
	Mode Mode
	// Applied is its entry in the ledger's history; nil for files. Documents are in it only
	// in [Active.Documents].
	Applied   *store.PolicySet
	Documents []policies.File

	over chan struct{} // closed when another one is in force
}

// Open finds out which set is in force. ignored says that there are files in the
// folder that no longer count.
func Open(ctx context.Context, c Config) (p *Policies, ignored bool, err error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Reading.TrustDomain = c.TrustDomain
	p = &Policies{Config: c, most: maxRecords}
	first, ignored, err := p.first(ctx)
	if err != nil {
		return nil, false, err
	}
	p.enforce(first)
	kept, err := c.Ledger.Shadow(ctx)
	if err != nil {
		return nil, false, err
	}
	if kept != nil {
		p.unwatched = p.cast(*kept)
	}
	return p, ignored, nil
}

// first returns the set that is in force at the start: the last one that was
// applied, or else that of the files. Files that do not count need not load.
func (p *Policies) first(ctx context.Context) (a *Active, ignored bool, err error) {
	var applied *store.PolicySet
	if p.Mode == ByService {
		if applied, err = p.Ledger.ActivePolicy(ctx); err != nil {
			return nil, false, err
		}
	}
	files, err := p.fromFiles(p.Files)
	if applied == nil {
		return files, false, err
	}
	ignored = len(p.Files) > 0 && (err != nil || files.Set.Digest() != applied.Digest)
	a, err = p.fromLedger(applied)
	return a, ignored, err
}

func (p *Policies) fromFiles(files []policies.File) (*Active, error) {
	set, err := p.Reading.Load(files...)
	if err != nil {
		return nil, err
	}
	return &Active{Set: set, Mode: p.Mode, Documents: files}, nil
}

// fromLedger loads a set that was applied. A newer build may refuse what an older
// one applied; the digest says that it is the very set.
func (p *Policies) fromLedger(applied *store.PolicySet) (*Active, error) {
	set, err := p.Reading.Load(applied.Documents...)
	if err != nil {
		return nil, err
	}
	if set.Digest() != applied.Digest {
		return nil, evidence.Errorf(evidence.CodeLedgerTampered, "", "the documents of policy set %d have digest %s, and it was applied as %s", applied.Seq, set.Digest(), applied.Digest)
	}
	a := &Active{Set: set, Mode: ByService, Applied: applied, Documents: applied.Documents}
	applied.Documents = nil
	return a, nil
}

// Unwatched says why the shadow set that the ledger keeps is not tried since the start: it
// loads no more. Nil if it is tried, or there is none. It keeps no service from starting.
func (p *Policies) Unwatched() error { return p.unwatched }

// Set is the set in force.
func (p *Policies) Set() *policies.Set { return p.active.Load().Set }

// Active is the set in force with what is known of it.
func (p *Policies) Active() *Active { return p.active.Load() }

// Load compiles documents for [Policies.Put]. Files that the configuration names, or
// the folder while nothing was applied, are read again by a reload.
func (p *Policies) Load(files []policies.File) (*Active, error) {
	if p.Active().Applied != nil {
		return p.Active(), nil
	}
	return p.fromFiles(files)
}

// Put puts in force what [Policies.Load] returned, once record has committed that.
// If a set was applied meanwhile, that stays.
func (p *Policies) Put(a *Active, record func() error) error {
	p.changing.Lock()
	defer p.changing.Unlock()
	if p.Active().Applied != nil {
		a = p.Active()
	}
	if err := record(); err != nil {
		return err
	}
	p.enforce(a)
	return nil
}

// enforce puts a set in the place of the last.
func (p *Policies) enforce(a *Active) {
	next, last := *a, p.Active()
	if last != nil && last.Set.Digest() == next.Set.Digest() && last.isSilent() == next.isSilent() {
		next.over = last.over // it decides as the last one did
		p.active.Store(&next)
		return
	}
	next.over = make(chan struct{})
	p.active.Store(&next)
	if last != nil {
		close(last.over)
	}
}

// Changed returns a channel that is closed when another set is in force than now.
func (p *Policies) Changed() <-chan struct{} { return p.Active().over }

// input is what a decision on claims rests on now.
func (p *Policies) input(claims []evidence.Claims) policies.Input {
	return policies.Input{Claims: claims, Now: p.Now(), TrustDomain: p.TrustDomain, SimulatedAccepted: p.SimulatedAccepted}
}

// isSilent reports whether the set is that of files without any workload.
func (a *Active) isSilent() bool { return a.Applied == nil && len(a.Set.Workloads()) == 0 }

// Reconsider says whether claims that were found at a time, and recorded, still earn an
// identity. Files without any workload say nothing of anybody: so does a folder that is
// not there. Where administrators applied such a set, they mean it.
func (p *Policies) Reconsider(claims []evidence.Claims, at time.Time, granted policies.Granted) policies.Reconsidered {
	active := p.Active()
	if active.isSilent() {
		return policies.Reconsidered{Standing: policies.Unknown, Digest: active.Set.Digest()}
	}
	in := p.input(claims)
	in.Recorded = at
	return active.Set.Reconsider(in, granted)
}

// Explain says how a set judges claims of genuine evidence at a time: that in force, or
// that of the documents if there are any.
func (p *Policies) Explain(claims []evidence.Claims, candidate []policies.File, at time.Time) (policies.Explanation, error) {
	set := p.Set()
	if len(candidate) > 0 {
		var err error
		if set, err = p.Reading.Load(candidate...); err != nil {
			return policies.Explanation{}, err
		}
	}
	in := p.input(claims)
	in.Now = at
	return set.Explain(in), nil
}
