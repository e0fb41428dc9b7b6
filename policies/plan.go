package policies

import (
	"iter"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Record is an appraisal of the past, as a plan replays it.
type Record struct {
	ID string
	// Live says that what was issued for it is in force; Certified, that this is a certificate
	// which was not revoked. Names are its DNS names and addresses; nil where it is not known which.
	Live, Certified bool
	Names           []string
	At              time.Time // when it was appraised
	// Verdict, Workload and SPIFFEID are what was decided then; the latter are empty
	// where nothing was accepted.
	Verdict  Verdict
	Workload string
	SPIFFEID string
	Claims   []evidence.Claims
}

// PlanOptions are what the decisions of a plan rest on, besides the records.
type PlanOptions struct {
	// Now is the instant at which both sets are evaluated: when the candidate would be applied.
	Now               time.Time
	TrustDomain       string // see [Input]
	SimulatedAccepted bool
	// Expiring is how far ahead ends are looked for; zero looks for none.
	Expiring time.Duration
	// Details is how many changes are told of each group, [DefaultPlanDetails] if zero, at most [MaxPlanDetails].
	Details int
	// Revokes says that certificates are revoked which the candidate no longer grants.
	Revokes bool
	// LeftOut counts the records that there were and that were not replayed. It is asked
	// after the last of them was; nil if there are none.
	LeftOut func() int
}

// PlanReport says what a candidate set would change. Claims are as they were
// recorded: what endorsements have become known since does not count.
type PlanReport struct {
	Active    string    `json:"active"` // the digests of the sets
	Candidate string    `json:"candidate"`
	Now       time.Time `json:"now"`

	Records int `json:"records"`            // all that were replayed
	Live    int `json:"live"`               // of them
	LeftOut int `json:"left_out,omitempty"` // records that were not replayed, so that the plan says nothing of them
	Same    int `json:"same"`               // the candidate decides as the active set does, at the same instant

	// Denied are no longer accepted, or no longer undecided.
	Denied PlanGroup `json:"denied"`
	// Undecided would wait for checks that could not be performed.
	Undecided PlanGroup `json:"undecided"`
	// Admitted are newly accepted.
	Admitted PlanGroup `json:"admitted"`
	// Moved are accepted by both sets, under another workload, SPIFFE ID or DNS names.
	Moved PlanGroup `json:"moved"`
	// Unjudgeable are those that either set asks for what was not recorded, such as
	// the files of a kernel's measurement list. They are in no other group.
	Unjudgeable PlanGroup `json:"unjudgeable"`
	// Drifted are decided otherwise by the active set than when they were recorded,
	// whatever the candidate makes of them: because reference values ended meanwhile,
	// say. They are in one of the other groups as well.
	Drifted PlanGroup `json:"drifted"`

	// Revoked counts the certificates in force that would be revoked: see [Set.Reconsider].
	Revoked int `json:"revoked"`
	// Ending counts what the candidate accepts on the strength of something that ends
	// within [PlanOptions.Expiring].
	Ending int `json:"ending"`
	// Expiring are the candidate's reference values that have ended or end by then,
	// the first to end first.
	Expiring []ExpiringValues `json:"expiring,omitempty"`
}

// PlanGroup is the records that have one thing in common.
type PlanGroup struct {
	Count int `json:"count"`
	Live  int `json:"live"` // of them
	// Reasons are the checks that stand in the way, the most frequent first. A
	// record counts for each of its checks.
	Reasons []PlanReason `json:"reasons,omitempty"`
	// MoreReasons counts what was no longer told apart.
	MoreReasons int `json:"more_reasons,omitempty"`
	// Moves are the identities before and after, the most frequent first.
	Moves []PlanMove `json:"moves,omitempty"`
	// Changes are the first records, as many as were asked for.
	Changes []PlanChange `json:"changes,omitempty"`
}

// PlanReason is a check that stands in the way of several records.
type PlanReason struct {
	Code     evidence.Code `json:"code"`
	Kind     evidence.Kind `json:"kind,omitempty"`
	Workload string        `json:"workload,omitempty"` // whose check it is
	Want     string        `json:"want"`
	Got      []string      `json:"got"` // the first different ones
	Count    int           `json:"count"`
	Live     int           `json:"live"`
	Alone    int           `json:"alone"` // of Count, those that nothing else stands in the way of
}

// PlanMove is a change of identity. An empty workload stands for none.
type PlanMove struct {
	From  string `json:"from"` // the workload
	To    string `json:"to"`
	Count int    `json:"count"`
	Live  int    `json:"live"`
}

// PlanChange is what would change of one record.
type PlanChange struct {
	ID       string    `json:"id"`
	Live     bool      `json:"live"`
	At       time.Time `json:"at"`
	Workload string    `json:"workload"` // of the active set's decision, or as recorded where it has none or drifted; empty where that was no grant
	SPIFFEID string    `json:"spiffe_id"`
	To       string    `json:"to,omitempty"` // the workload of the candidate's decision
	ToSPIFFE string    `json:"to_spiffe_id,omitempty"`
	// Reason is the first check that stands in the way.
	Reason *evidence.Check `json:"reason,omitempty"`
}

// ExpiringValues is a document of reference values that ends.
type ExpiringValues struct {
	Name     string    `json:"name"`
	NotAfter time.Time `json:"not_after"`
	Expired  bool      `json:"expired"` // already
}

// Plan replays records against two sets, at one instant. It reads the records
// once and keeps none, so its memory does not grow with their number.
func Plan(active, candidate *Set, records iter.Seq[Record], options PlanOptions) PlanReport {
	p := planner{active: active, candidate: candidate, options: options}
	p.options.Details = min(options.Details, MaxPlanDetails)
	if options.Details <= 0 {
		p.options.Details = DefaultPlanDetails
	}
	p.report = PlanReport{Active: active.Digest(), Candidate: candidate.Digest(), Now: options.Now}
	for record := range records {
		p.replay(&record)
	}
	if options.LeftOut != nil {
		p.report.LeftOut = options.LeftOut()
	}
	for _, group := range []struct {
		tally *tally
		out   *PlanGroup
	}{
		{&p.denied, &p.report.Denied}, {&p.undecided, &p.report.Undecided}, {&p.admitted, &p.report.Admitted},
		{&p.moved, &p.report.Moved}, {&p.unjudgeable, &p.report.Unjudgeable}, {&p.drifted, &p.report.Drifted},
	} {
		*group.out = group.tally.group()
	}
	p.report.Expiring = candidate.expiring(options.Now, options.Expiring)
	return p.report
}

// planner gathers what a plan finds.
type planner struct {
	active, candidate *Set
	options           PlanOptions
	report            PlanReport

	denied, undecided, admitted, moved, unjudgeable, drifted tally
}

func (p *planner) replay(record *Record) {
	p.report.Records++
	if record.Live {
		p.report.Live++
	}
	in := Input{Claims: record.Claims, Now: p.options.Now, TrustDomain: p.options.TrustDomain, SimulatedAccepted: p.options.SimulatedAccepted}
	before, after := p.active.Evaluate(in), p.candidate.Evaluate(in)
	p.countRevoked(in, record, &after)
	change := newChange(record, &before, &after)
	add := func(t *tally, reasons evidence.Checks, workload string) {
		t.add(change, reasons, workload, p.options.Details)
	}
	for _, d := range []*Decision{&before, &after} {
		if missing := unrecorded(d); len(missing) > 0 {
			add(&p.unjudgeable, missing, d.Workload)
			return
		}
	}
	if drifted(record, &before) {
		reasons, workload := p.active.reasons(in, &before, record.Workload)
		p.drifted.add(newDrift(record, &before), reasons, workload, p.options.Details)
	}
	p.countEnd(&after)
	switch {
	case after.Verdict == Accepted && before.Verdict == Accepted && !sameIdentity(&before, &after):
		add(&p.moved, nil, "")
	case after.Verdict == before.Verdict:
		p.report.Same++
	case after.Verdict == Accepted:
		add(&p.admitted, nil, "")
	default:
		group := &p.denied
		if after.Verdict == Undecided {
			group = &p.undecided
		}
		reasons, workload := p.candidate.reasons(in, &after, before.Workload)
		add(group, reasons, workload)
	}
}

func (p *planner) countEnd(after *Decision) {
	if after.Verdict == Accepted && !after.ValidUntil.IsZero() && p.options.Expiring > 0 && !after.ValidUntil.After(p.options.Now.Add(p.options.Expiring)) {
		p.report.Ending++
	}
}

func (p *planner) countRevoked(in Input, record *Record, after *Decision) {
	granted := Granted{record.Workload, record.SPIFFEID, record.Names}
	if !p.options.Revokes || !record.Certified || after.Verdict == Accepted && granted.within(&after.Identity) {
		return
	}
	in.Recorded = record.At
	if standing := p.candidate.Reconsider(in, granted).Standing; standing == Refused || standing == Moved {
		p.report.Revoked++
	}
}

// newChange says what becomes of a record that was decided as before.
func newChange(record *Record, before, after *Decision) PlanChange {
	c := PlanChange{ID: record.ID, Live: record.Live, At: record.At, Workload: before.Workload, SPIFFEID: before.Identity.SPIFFEID}
	if before.Verdict != Accepted {
		c.Workload, c.SPIFFEID = record.Workload, record.SPIFFEID
	}
	if after.Verdict == Accepted {
		c.To, c.ToSPIFFE = after.Workload, after.Identity.SPIFFEID
	}
	return c
}

// newDrift says what became already of a record.
func newDrift(record *Record, before *Decision) PlanChange {
	c := newChange(record, before, before)
	c.Workload, c.SPIFFEID = record.Workload, record.SPIFFEID
	if record.Verdict != Accepted { // it names the nearest
		c.Workload, c.SPIFFEID = "", ""
	}
	return c
}

// drifted reports whether the active set decides otherwise than was recorded.
func drifted(record *Record, before *Decision) bool {
	if record.Verdict == "" {
		return false // nothing was
	}
	return record.Verdict != before.Verdict || record.Verdict == Accepted && (record.Workload != before.Workload || record.SPIFFEID != before.Identity.SPIFFEID)
}

// sameIdentity reports whether two decisions earn the same. The TTL may differ:
// the next certificate will have the new one.
func sameIdentity(a, b *Decision) bool {
	return a.Workload == b.Workload && a.Identity.Equal(b.Identity)
}

// notRecorded is what checks got where a record leaves out what they ask for.
const notRecorded = "not recorded"

// unrecorded returns the checks that could not be performed because the record is
// not whole. None, if the decision does not depend on them.
func unrecorded(d *Decision) evidence.Checks {
	if d.Verdict != Undecided {
		return nil
	}
	var missing evidence.Checks
	for _, check := range d.Checks {
		if check.Status == evidence.NotPerformed && check.Got == notRecorded {
			missing = append(missing, check)
		}
	}
	return missing
}

// reasons returns the checks that stand in the way of a decision that is not
// accepted: of the workload that the machine had, if the set still has it, or
// else of the nearest.
func (s *Set) reasons(in Input, d *Decision, had string) (reasons evidence.Checks, of string) {
	if d.Verdict == Accepted {
		return nil, ""
	}
	if len(d.Checks) > 0 && d.Checks[0].Code != evidence.CodePolicyWorkload {
		return d.Checks[:1], "" // ambiguous, or not tried at all
	}
	if had == "" || had == d.Workload {
		return inTheWay(d.Checks[1:]), d.Workload
	}
	i := slices.IndexFunc(s.workloads, func(w *workload) bool { return w.name == had })
	if i < 0 {
		return evidence.Checks{{
			Code: evidence.CodePolicyWorkload, Status: evidence.Fail, Want: "the workload " + had, Got: "there is none of this name",
		}}, ""
	}
	one := Set{workloads: s.workloads[i : i+1], advisories: s.advisories, digest: s.digest}
	if own := one.Evaluate(in); own.Verdict != Accepted {
		return inTheWay(own.Checks[1:]), had
	}
	return inTheWay(d.Checks[1:]), d.Workload
}

// inTheWay returns the checks that fail, or, if none does, those that wait.
func inTheWay(checks evidence.Checks) evidence.Checks {
	for _, status := range []evidence.Status{evidence.Fail, evidence.NotPerformed} {
		var found evidence.Checks
		for _, check := range checks {
			if check.Status == status {
				found = append(found, check)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// expiring lists the reference values that end by now plus ahead.
func (s *Set) expiring(now time.Time, ahead time.Duration) []ExpiringValues {
	if s == nil || now.IsZero() || ahead <= 0 {
		return nil
	}
	var out []ExpiringValues
	for _, v := range s.references {
		if !v.notAfter.After(now.Add(ahead)) {
			out = append(out, ExpiringValues{Name: v.name, NotAfter: v.notAfter, Expired: !v.inForce(now)})
		}
	}
	slices.SortStableFunc(out, func(a, b ExpiringValues) int { return a.NotAfter.Compare(b.NotAfter) })
	return out
}
