package policies

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// tally counts the records of one group. Its size does not grow with their number.
type tally struct {
	count, live int
	reasons     map[reasonKey]*PlanReason
	more        int
	moves       map[moveKey]*PlanMove
	changes     []PlanChange
}

type reasonKey struct {
	code           evidence.Code
	kind           evidence.Kind
	workload, want string
}

type moveKey struct{ from, to string }

// add counts a record. Without reasons, it moved.
func (t *tally) add(change PlanChange, reasons evidence.Checks, workload string, details int) {
	t.count++
	t.live += one(change.Live)
	if len(reasons) > 0 {
		change.Reason = &reasons[0]
	} else {
		t.move(&change)
	}
	for i := range reasons {
		t.reason(&reasons[i], workload, change.Live, len(reasons) == 1)
	}
	if len(t.changes) < details {
		t.changes = append(t.changes, change)
	}
}

func (t *tally) reason(check *evidence.Check, workload string, live, alone bool) {
	key := reasonKey{check.Code, check.Kind, workload, check.Want}
	r := t.reasons[key]
	if r == nil {
		if len(t.reasons) >= maxPlanReasons {
			t.more++
			return
		}
		if t.reasons == nil {
			t.reasons = map[reasonKey]*PlanReason{}
		}
		r = &PlanReason{Code: check.Code, Kind: check.Kind, Workload: workload, Want: check.Want}
		t.reasons[key] = r
	}
	r.Count++
	r.Live += one(live)
	r.Alone += one(alone)
	if len(r.Got) < maxWantValues && !slices.Contains(r.Got, check.Got) {
		r.Got = append(r.Got, check.Got)
	}
}

func (t *tally) move(change *PlanChange) {
	key := moveKey{change.Workload, change.To}
	m := t.moves[key]
	if m == nil {
		if len(t.moves) >= maxPlanReasons {
			t.more++
			return
		}
		if t.moves == nil {
			t.moves = map[moveKey]*PlanMove{}
		}
		m = &PlanMove{From: change.Workload, To: change.To}
		t.moves[key] = m
	}
	m.Count++
	m.Live += one(change.Live)
}

func (t *tally) group() PlanGroup {
	g := PlanGroup{Count: t.count, Live: t.live, MoreReasons: t.more, Changes: t.changes}
	for _, r := range t.reasons {
		g.Reasons = append(g.Reasons, *r)
	}
	slices.SortFunc(g.Reasons, func(a, b PlanReason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code.String(), b.Code.String()),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Workload, b.Workload), cmp.Compare(a.Want, b.Want))
	})
	for _, m := range t.moves {
		g.Moves = append(g.Moves, *m)
	}
	slices.SortFunc(g.Moves, func(a, b PlanMove) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return g
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Lines sums the report up for people, one statement a line, such as "23 of 240
// would be denied".
func (r *PlanReport) Lines() []string {
	lines := []string{fmt.Sprintf("%d of %d stay as they are", r.Same, r.Records)}
	if r.LeftOut > 0 {
		lines = append(lines, fmt.Sprintf("%d more were left out: the plan does not say what becomes of them", r.LeftOut))
	}
	for _, group := range []struct {
		*PlanGroup
		what string
	}{
		{&r.Denied, "would be denied"}, {&r.Undecided, "would be undecided"}, {&r.Admitted, "would be newly admitted"},
		{&r.Moved, "would get another identity"}, {&r.Unjudgeable, "cannot be judged by what was recorded"},
		{&r.Drifted, "are decided otherwise already than when they were recorded"},
	} {
		if group.Count == 0 {
			continue
		}
		lines = append(lines, fmt.Sprintf("%d of %d %s (%d of them live)", group.Count, r.Records, group.what, group.Live))
		for _, reason := range group.Reasons {
			lines = append(lines, "  "+reason.String())
		}
		for _, m := range group.Moves {
			lines = append(lines, fmt.Sprintf("  %d from %s to %s", m.Count, nameOr(m.From), nameOr(m.To)))
		}
	}
	if r.Revoked > 0 {
		lines = append(lines, fmt.Sprintf("certificates in force that would be revoked: %d", r.Revoked))
	}
	if r.Ending > 0 {
		lines = append(lines, fmt.Sprintf("%d rest on something that ends soon", r.Ending))
	}
	for _, v := range r.Expiring {
		lines = append(lines, fmt.Sprintf("reference values %s %s at %s", v.Name, yesNo(v.Expired, "expired", "expire"), v.NotAfter.UTC().Format("2006-01-02 15:04")))
	}
	return lines
}

// String writes the reason on one line.
func (r PlanReason) String() string {
	text := fmt.Sprintf("%d by %s: want %s, got %s", r.Count, r.Code, r.Want, join(r.Got))
	if r.Workload != "" {
		text = fmt.Sprintf("%d by %s of %s: want %s, got %s", r.Count, r.Code, r.Workload, r.Want, join(r.Got))
	}
	return text
}

func nameOr(workload string) string {
	if workload == "" {
		return "none"
	}
	return workload
}
