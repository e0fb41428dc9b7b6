package policies

import (
	"slices"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// report takes down how claims fare against requirements. Without checks it
// only counts, which allocates nothing: so every workload is tried first, and
// only what is worth telling is told.
type report struct {
	now      time.Time
	recorded time.Time        // of claims on record: when they were found
	checks   *evidence.Checks // nil: count only
	noted    int
	failed   int
	pending  int // checks that could not be performed
	// validUntil is the earliest end of what was used so far: reference values and
	// a revocation list. Zero if nothing of it ends.
	validUntil time.Time
}

func newReport(in *Input) report { return report{now: in.Now, recorded: in.Recorded} }

// isRecord reports whether the claims are on record: what they leave out is not known.
func (r *report) isRecord() bool { return !r.recorded.IsZero() }

// got makes the text of what was found; it runs only if the report is written.
type got func() string

func (r *report) note(kind evidence.Kind, code evidence.Code, status evidence.Status, want string, got got) {
	r.noted++
	if r.checks != nil {
		*r.checks = append(*r.checks, evidence.Check{Code: code, Kind: kind, Status: status, Want: want, Got: got()})
	}
}

func (r *report) judge(ok bool, kind evidence.Kind, code evidence.Code, want string, got got) {
	status := evidence.Pass
	if !ok && r.isRecord() && strings.HasPrefix(got(), absentWord) {
		r.wait(kind, code, want, notRecorded)
		return
	}
	if !ok {
		status = evidence.Fail
		r.failed++
	}
	r.note(kind, code, status, want, got)
}

// endsBy says that the decision rests on something that ends at until; zero
// never ends.
func (r *report) endsBy(until time.Time) {
	if !until.IsZero() && (r.validUntil.IsZero() || until.Before(r.validUntil)) {
		r.validUntil = until
	}
}

// warn records something that is worth acting on and denies nothing.
func (r *report) warn(kind evidence.Kind, code evidence.Code, want string, got got) {
	r.note(kind, code, evidence.Warn, want, got)
}

// wait records a check that could not be performed: neither good nor bad.
func (r *report) wait(kind evidence.Kind, code evidence.Code, want, why string) {
	r.pending++
	r.note(kind, code, evidence.NotPerformed, want, func() string { return why })
}

// values records whether value is among wanted; nil wanted asks nothing.
func (r *report) values(kind evidence.Kind, code evidence.Code, wanted *values, value evidence.Hex) {
	if wanted == nil {
		return
	}
	if bad := wanted.knownBad(value); bad != nil {
		r.judge(false, kind, evidence.CodePolicyReferenceKnownBad, wanted.want, func() string {
			return value.String() + ", which " + bad.name + " knows to be bad: " + join(bad.knownBad)
		})
		return
	}
	if wanted.any {
		return
	}
	ok, until, expired := len(value) > 0, time.Time{}, (*referenceValues)(nil)
	if ok {
		ok, until, expired = wanted.match(value, r.now)
	}
	if !wanted.warnOnly { // what denies nothing holds nothing up
		r.endsBy(until)
	}
	text := func() string { return shown(value) }
	if !ok && expired != nil {
		code, text = evidence.CodePolicyReferenceExpired, func() string {
			return value.String() + ", a value of " + expired.name + ", which expired at " + expired.notAfter.Format(time.RFC3339)
		}
	}
	if !ok && wanted.warnOnly && len(value) > 0 {
		r.warn(kind, code, wanted.want, text)
		return
	}
	r.judge(ok, kind, code, wanted.want, text)
}

// access records whether value is allowed and not denied. A value that is
// absent is neither: it cannot be told from a denied one.
func (r *report) access(kind evidence.Kind, code evidence.Code, list *accessList, value evidence.Hex) {
	if list == nil {
		return
	}
	r.values(kind, code, list.allow, value)
	if list.deny != nil {
		denied, _, _ := list.deny.match(value, r.now)
		r.judge(len(value) > 0 && !denied, kind, code, list.deny.want, func() string { return shown(value) })
	}
}

// member records whether value is one of wanted; nil wanted asks nothing.
func (r *report) member(kind evidence.Kind, code evidence.Code, wanted *choice, value string) {
	if wanted != nil {
		r.judge(slices.Contains(wanted.words, value), kind, code, wanted.want, func() string { return shownText(value) })
	}
}

// textAccess records whether value is allowed and not denied. One that is
// absent is neither.
func (r *report) textAccess(kind evidence.Kind, code evidence.Code, list *textAccess, value string) {
	if list == nil {
		return
	}
	r.member(kind, code, list.allow, value)
	if list.deny != nil {
		r.judge(value != "" && !slices.Contains(list.deny.words, value), kind, code, list.deny.want, func() string { return shownText(value) })
	}
}

// choice is a closed list of words, none of them empty.
type choice struct {
	words []string
	want  string
}

// newChoice returns nil for no words: nothing is asked then.
func newChoice(words ...string) *choice {
	if len(words) == 0 {
		return nil
	}
	return &choice{words, orList(words)}
}

// absent is what checks got where claims do not say; with absentWord begins all that means it. What
// evidence says in words of its own is quoted in checks, so that none of it passes for this.
const (
	absentWord = "absent"
	absent     = absentWord + ": the evidence does not say"
)

func shown(value evidence.Hex) string { return shownText(value.String()) }

func shownText(value string) string {
	if value == "" {
		return absent
	}
	return value
}

func yesNo(value bool, yes, no string) string {
	if value {
		return yes
	}
	return no
}

// join lists texts, or says none.
func join(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
