package main

import (
	"context"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// prefetching fetches what is wanted, one after the other, and reports.
type prefetching struct {
	*fetcher
	authorities authorities
	vendors     vendorList // that were named
	now         func() time.Time
	wanted      []demand
	held        map[tee.EndorsementName]store.Status // what is there, and has not expired
	expired     map[tee.EndorsementName]bool         // what is there although it has
	report      prefetchReport
}

// demand is one endorsement that is wanted, under the names that it may have: a
// report of version 2 does not say its product line.
type demand []tee.EndorsementName

// plan gathers what is wanted: of the vendors that were named, or of all if there
// is no evidence either, what every verification may draw on; then what evidence
// needs.
func (p *prefetching) plan(targets []target) {
	if len(p.vendors) > 0 || len(targets) == 0 {
		for _, name := range p.authorities.baseline(p.vendors) {
			p.want(demand{name})
		}
	}
	for _, t := range targets {
		p.planFor(t)
	}
	p.look()
}

// unnamed says of evidence that names nothing of its own why that is.
var unnamed = map[evidence.Kind]string{
	evidence.KindSEVSNP: "it names no key that a vendor could be asked for: the host masks the chip, or the processor is not known",
	evidence.KindTDX:    "it does not say what platform it is of: there is no PCK certificate in the quote",
}

// planFor takes in what evidence carries, and gathers what it needs.
func (p *prefetching) planFor(t target) {
	if t.item.Kind() == evidence.KindTPM {
		return // the certificate of its key comes with it, from whoever made the TPM
	}
	p.take(carriedBy(t.item))
	var own demand // what no other machine's, or platform's, evidence needs
	for _, name := range p.authorities.needs(t.claims) {
		if slices.Contains(p.authorities.baseline(nil), name) {
			p.want(demand{name})
		} else {
			own = append(own, name)
		}
	}
	if len(own) == 0 {
		p.refuse(t, unnamed[t.item.Kind()])
		return
	}
	p.want(own)
}

func (p *prefetching) want(d demand) {
	if !slices.ContainsFunc(p.wanted, func(known demand) bool { return slices.Equal(known, d) }) {
		p.wanted = append(p.wanted, d)
	}
}

// refuse takes note of evidence for which nothing can be fetched.
func (p *prefetching) refuse(t target, why string) {
	name := tee.EndorsementName{Type: string(t.item.Kind()), ID: t.file}
	p.failed[name] = fetchFailure{err: evidence.Errorf(evidence.CodeEndorsementUnobtainable, t.file, "%s", why)}
	p.report.add(name, outcomeMissing, p.failed[name])
}

// look notes what the store holds.
func (p *prefetching) look() {
	p.held, p.expired = map[tee.EndorsementName]store.Status{}, map[tee.EndorsementName]bool{}
	for _, status := range p.store.Status() {
		switch status.State {
		case store.StateCurrent:
			p.held[status.Name] = status
		case store.StateExpired:
			p.expired[status.Name] = true
		}
	}
}

// run fetches what is wanted, then renews whatever else is due.
func (p *prefetching) run(ctx context.Context) {
	for i, d := range p.wanted {
		p.meet(ctx, d, i+1)
	}
	for _, status := range p.store.Status() {
		if p.vendors.covers(vendorOf(status.Vendor)) && p.isDue(status.Name) {
			p.refresh(ctx, status.Name)
		}
	}
	var names []tee.EndorsementName
	for _, entry := range p.report.Endorsements {
		names = append(names, tee.EndorsementName{Type: entry.Type, ID: entry.ID})
	}
	p.complain(names)
}

// meet makes what a demand names available.
func (p *prefetching) meet(ctx context.Context, d demand, nth int) {
	at := slices.IndexFunc(d, func(n tee.EndorsementName) bool { _, held := p.held[n]; return held })
	if at >= 0 && !p.isDue(d[at]) {
		p.report.add(d[at], outcomeHeld, fetchFailure{})
		return
	}
	p.s.note("%d of %d: %s", nth, len(p.wanted), printable(cutTo(nameWidth, d[0].String())))
	if at >= 0 {
		p.refresh(ctx, d[at])
		return
	}
	for _, name := range d {
		if p.fetch(ctx, name) == nil {
			p.report.add(name, outcomeFetched, fetchFailure{})
			return
		}
	}
	p.look()
	if at := slices.IndexFunc(d, func(n tee.EndorsementName) bool { return p.expired[n] }); at >= 0 {
		p.report.add(d[at], outcomeExpired, p.failed[d[at]])
		return
	}
	p.report.add(d[0], outcomeMissing, p.failed[d[0]])
}

// isDue reports whether it is time to look for a newer issue of what is held.
func (p *prefetching) isDue(name tee.EndorsementName) bool {
	status, held := p.held[name]
	return held && !status.Next.IsZero() && !status.Next.After(p.now())
}

// refresh asks for a newer issue. If there is none to be had, what is held is there.
func (p *prefetching) refresh(ctx context.Context, name tee.EndorsementName) {
	if p.renew(ctx, name) != nil {
		delete(p.held, name) // asked for once
		p.report.add(name, outcomeHeld, p.failed[name])
		return
	}
	p.report.add(name, outcomeRenewed, fetchFailure{})
	p.look() // other names of the same list are renewed with it
}
