package attacks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quotary/quotary/evidence"
)

// Selection says which rows are tried: those of its series, and those of its IDs.
// The zero Selection is all.
type Selection struct {
	Series []string // letters
	Rows   []string // IDs
}

// ParseSelection reads what people write: letters and IDs, separated by commas.
// An empty text is all.
func ParseSelection(text string) (s Selection, err error) {
	for name := range strings.SplitSeq(text, ",") {
		name = strings.ToUpper(strings.TrimSpace(name))
		switch {
		case text == "":
		case slices.ContainsFunc(allSeries(), func(x series) bool { return x.letter == name }):
			s.Series = append(s.Series, name)
		case slices.ContainsFunc(Rows(), func(r Row) bool { return r.ID == name }):
			s.Rows = append(s.Rows, name)
		default:
			return s, fmt.Errorf("there is no series and no row %q", name)
		}
	}
	return s, nil
}

func (s Selection) has(r Row) bool {
	return len(s.Series) == 0 && len(s.Rows) == 0 || slices.Contains(s.Series, r.ID[:1]) || slices.Contains(s.Rows, r.ID)
}

// Verdict is what came of a case.
type Verdict string

// The verdicts.
const (
	Held     Verdict = "held"     // refused for the expected reason
	Other    Verdict = "other"    // refused for another reason, or not as it should be
	Accepted Verdict = "accepted" // a breach
	Skipped  Verdict = "skipped"  // this target does not offer what it takes
	Failed   Verdict = "error"    // it could not be tried
)

// Result is what came of one case.
type Result struct {
	Row     string          `json:"row"`
	Title   string          `json:"title"`
	Case    string          `json:"case"`
	Want    []evidence.Code `json:"want,omitempty"` // none: an honest machine is accepted
	Proof   Proof           `json:"proof"`
	Got     Got             `json:"got"`
	Verdict Verdict         `json:"verdict"`
	Reason  string          `json:"reason,omitempty"` // why it is not held
	Took    time.Duration   `json:"took_ns"`
}

// Run tries the selected rows. The error is for a target that cannot be attacked at
// all. Progress, which may be nil, is told of each case as it ends, one at a time.
func Run(ctx context.Context, t Target, s Selection, progress func(Result)) (Report, error) {
	a, err := newAttacker(t)
	if err != nil {
		return Report{}, err
	}
	defer a.close()
	report := Report{Target: t.URL, TrustDomain: t.TrustDomain, Results: []Result{}}
	var todo []task
	for _, row := range Rows() {
		for _, c := range row.Cases {
			if s.has(row) {
				todo = append(todo, task{row, c})
			}
		}
	}
	r := runner{attacker: a, controls: map[string]error{}, progress: progress}
	report.Results = r.all(ctx, todo)
	return report, ctx.Err()
}

// task is one case that is to be tried.
type task struct {
	row Row
	Case
}

type runner struct {
	attacker *Attacker
	controls map[string]error // of each subject that was tried; nil if its honest machine is accepted
	mu       sync.Mutex
	progress func(Result)
	silences int // how often in a row the target did not answer in time
}

// silent is the error of what is not tried because the target answers nothing.
func (r *runner) silent() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silences < maxSilences {
		return nil
	}
	return errors.New("the target no longer answers")
}

// heard counts silences, by what came of an attempt.
func (r *runner) heard(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(err, context.DeadlineExceeded) {
		r.silences++
	} else {
		r.silences = 0
	}
}

// all tries the cases that bear company, several at once, and then the others.
func (r *runner) all(ctx context.Context, todo []task) []Result {
	for _, t := range todo {
		if _, known := r.controls[t.Subject]; !known {
			r.controls[t.Subject] = r.control(ctx, t.Subject)
		}
	}
	results := make([]Result, len(todo))
	var group errgroup.Group
	group.SetLimit(maxAtOnce)
	for i, t := range todo {
		if !t.Alone {
			group.Go(func() error { results[i] = r.one(ctx, t); return nil })
		}
	}
	_ = group.Wait() // nothing in it fails
	for i, t := range todo {
		if t.Alone {
			results[i] = r.one(ctx, t)
		}
	}
	return results
}

// control has the subject's honest machine attest.
func (r *runner) control(ctx context.Context, subject string) error {
	if err := r.silent(); err != nil {
		return err
	}
	a, err := r.attacker.at(subject)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	got, err := a.Honest(ctx)
	r.heard(err)
	switch {
	case err != nil:
		return fmt.Errorf("the control could not be tried: %w", err)
	case !got.Accepted:
		return fmt.Errorf("the control is refused: %s", got)
	case len(got.Faults) > 0: // who says yes and grants nothing is nobody to attack
		return fmt.Errorf("the control is accepted, but %s", strings.Join(got.Faults, "; "))
	}
	return nil
}

// one tries one case.
func (r *runner) one(ctx context.Context, t task) Result {
	begun := time.Now()
	result := Result{Row: t.row.ID, Title: t.row.Title, Case: t.Name, Want: t.Want, Proof: t.Proof}
	err := cmp.Or(r.controls[t.Subject], r.silent())
	if err == nil {
		var a *Attacker
		if a, err = r.attacker.at(t.Subject); err == nil {
			ctx, cancel := context.WithTimeout(ctx, tryTimeout)
			defer cancel()
			result.Got, err = t.Try(ctx, a)
			r.heard(err)
		}
	}
	result.Verdict, result.Reason = judge(t.Case, result.Got, err)
	result.Took = time.Since(begun)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.progress != nil {
		r.progress(result)
	}
	return result
}

// judge says what came of a case, and why it is not held.
func judge(c Case, got Got, err error) (Verdict, string) {
	var skip *skipped
	switch {
	case errors.As(err, &skip):
		return Skipped, skip.why
	case err != nil:
		return Failed, err.Error()
	case len(c.Want) > 0 && got.Accepted:
		return Accepted, strings.Join(append([]string{"accepted"}, got.Faults...), "; ")
	case len(got.Faults) > 0:
		return Other, strings.Join(got.Faults, "; ")
	case len(c.Want) == 0 && !got.Accepted:
		return Other, "others are not served: " + got.String()
	case len(c.Want) == 0:
		return Held, ""
	}
	if missing := without(c.Want, append(slices.Clone(got.Failed), got.Code)); len(missing) > 0 {
		return Other, "refused without " + join(missing)
	}
	if further := without(got.Failed, append(slices.Clone(c.Want), conclusions...)); len(further) > 0 {
		return Other, "refused for " + join(further) + ", too"
	}
	return Held, ""
}

// conclusions are checks that only say what the others come to.
var conclusions = []evidence.Code{evidence.CodePolicyWorkload}

// without returns the codes that are not among others.
func without(list, others []evidence.Code) []evidence.Code {
	return slices.DeleteFunc(slices.Clone(list), func(c evidence.Code) bool { return slices.Contains(others, c) })
}

func join(list []evidence.Code) string {
	names := make([]string, len(list))
	for i, code := range list {
		names[i] = code.String()
	}
	return strings.Join(names, ", ")
}

// String says in a few words what was got.
func (g Got) String() string {
	switch {
	case g.Accepted:
		return "accepted"
	case len(without(g.Failed, conclusions)) > 0:
		return join(without(g.Failed, conclusions))
	case !g.Code.IsZero():
		return g.Code.String()
	case g.Status != 0:
		return fmt.Sprintf("status %d", g.Status)
	}
	return "nothing"
}
