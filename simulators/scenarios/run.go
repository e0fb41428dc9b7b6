package scenarios

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"
)

// Verdict is what became of a step.
type Verdict string

// The verdicts.
const (
	Met    Verdict = "met"     // what must happen did
	Other  Verdict = "other"   // something else did
	Failed Verdict = "error"   // it could not be tried
	NotRun Verdict = "not-run" // a step before it went wrong
)

// Got is what came of a step.
type Got struct {
	Outcome  string   `json:"outcome"` // accepted, refused, or done
	Workload string   `json:"workload,omitempty"`
	SPIFFEID string   `json:"spiffe_id,omitempty"`
	Codes    []string `json:"codes,omitempty"` // sorted, each once
	Detail   string   `json:"detail,omitempty"`
}

// Result is a step's result.
type Result struct {
	Line    int           `json:"line"` // of the file
	Step    string        `json:"step"` // what was done
	Want    string        `json:"want"`
	Got     string        `json:"got,omitempty"`
	Verdict Verdict       `json:"verdict"`
	Reason  string        `json:"reason,omitempty"` // unless it is met
	Took    time.Duration `json:"took_ns"`
}

// Outcome is a scenario's result.
type Outcome struct {
	File    string   `json:"file"`
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Verdict Verdict  `json:"verdict"` // that of the first step that is not met, or met
	Reason  string   `json:"reason,omitempty"`
	Steps   []Result `json:"steps"`
}

// Run runs a scenario, whose steps are told to progress, if it is not nil, as they end. It
// stops at the first step that goes wrong: those behind it build on it.
func Run(ctx context.Context, s *Scenario, progress func(Result)) Outcome {
	out := Outcome{File: s.places.file, Name: s.Name, Title: s.Title, Verdict: Met}
	t, end, err := s.open(ctx)
	if err != nil {
		out.Verdict, out.Reason = Failed, err.Error()
	}
	for i, step := range s.Steps {
		r := Result{Line: s.places.of("steps", i).Line, Step: step.told(), Want: step.want(), Verdict: NotRun, Reason: "the scenario ended before"}
		if out.Verdict == Met {
			r = t.run(ctx, step, r)
			out.Verdict, out.Reason = r.Verdict, r.Reason
		}
		out.Steps = append(out.Steps, r)
		if progress != nil {
			progress(r)
		}
	}
	if err := end(); err != nil && out.Verdict == Met {
		out.Verdict, out.Reason = Failed, err.Error()
	}
	return out
}

// open sets up the stage in a temporary directory; end is never nil.
func (s *Scenario) open(ctx context.Context) (t *stage, end func() error, err error) {
	dir, err := os.MkdirTemp("", "quotary-scenario-")
	if err != nil {
		return nil, func() error { return nil }, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	if t, err = newStage(ctx, s, dir); err != nil {
		return nil, remove, err
	}
	return t, func() error { return errors.Join(t.close(), remove()) }, nil
}

// run runs a step.
func (t *stage) run(ctx context.Context, step Step, r Result) Result {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	a, err := step.action()
	var got Got
	if err == nil {
		got, err = a.run(ctx, t)
	}
	r.Took = time.Since(begun)
	switch {
	case err != nil:
		r.Verdict, r.Reason = Failed, err.Error()
		return r
	case !a.judged || step.meets(got):
		r.Verdict, r.Reason = Met, ""
	default:
		r.Verdict, r.Reason = Other, "got "+got.String()
		if got.Detail != "" {
			r.Reason += ": " + got.Detail
		}
	}
	r.Got = got.String()
	return r
}

// meets reports whether what came of a step is what must.
func (step Step) meets(got Got) bool {
	return step.Expect == got.Outcome &&
		(step.Workload == "" || step.Workload == got.Workload) && (step.SPIFFEID == "" || step.SPIFFEID == got.SPIFFEID) &&
		slices.Equal(sorted(step.Codes), got.Codes)
}

// want is what must happen, as a Got would tell it.
func (step Step) want() string {
	outcome := step.Expect
	if outcome == "" {
		outcome = "done"
	}
	return Got{Outcome: outcome, Workload: step.Workload, SPIFFEID: step.SPIFFEID, Codes: sorted(step.Codes)}.String()
}

// String tells it on one line.
func (g Got) String() string {
	parts := []string{g.Outcome}
	if g.Workload != "" {
		parts = append(parts, "as "+g.Workload)
	}
	if g.SPIFFEID != "" {
		parts = append(parts, g.SPIFFEID)
	}
	return strings.Join(append(parts, g.Codes...), " ")
}
