package policies

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// Problems is why documents did not load, ordered by file, line and column.
// Each problem's Field is "file:line:column".
type Problems []*evidence.Error

// Error lists the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = fmt.Sprintf("%s: %s (%s)", problem.Field, problem.Detail, problem.Code)
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems for errors.As and errors.Is.
func (p Problems) Unwrap() []error {
	errs := make([]error, len(p))
	for i, problem := range p {
		errs[i] = problem
	}
	return errs
}

// problem is something wrong at one place. Lines and columns count from 1,
// columns in characters.
type problem struct {
	file         string
	line, column int
	code         evidence.Code
	detail       string
}

// problems collects what is wrong, up to [MaxProblems] a file.
type problems struct {
	list     []problem
	warnings []problem // what keeps nothing from loading
	counts   map[string]int
}

func (p *problems) add(found problem) {
	if p.counts == nil {
		p.counts = map[string]int{}
	}
	p.counts[found.file]++
	if p.counts[found.file] <= MaxProblems {
		p.list = append(p.list, found)
	}
}

// err returns the problems as an error, or nil if there are none.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	out := make(Problems, 0, len(p.list))
	for i, found := range p.list {
		field := fmt.Sprintf("%s:%d:%d", found.file, found.line, found.column)
		out = append(out, &evidence.Error{Code: found.code, Field: field, Detail: found.detail})
		last := i == len(p.list)-1 || p.list[i+1].file != found.file
		if more := p.counts[found.file] - MaxProblems; last && more > 0 {
			detail := fmt.Sprintf("and %d more problems in this file", more)
			out = append(out, &evidence.Error{Code: found.code, Field: field, Detail: detail})
		}
	}
	return out
}
