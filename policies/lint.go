package policies

import (
	"cmp"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Lint looks for what is dangerous or pointless in documents, besides what keeps
// them from loading. The problems are those of [Load], and what a set should not be
// put in force with; the warnings may be meant. Both are nil if nothing was
// found. Reference values are held against now; a zero time leaves that out.
func Lint(now time.Time, files ...File) (found, warnings Problems) {
	return Options{}.Lint(now, files...)
}

// Lint is [Lint] with options.
func (o Options) Lint(now time.Time, files ...File) (found, warnings Problems) {
	set, documents, err := o.compile(files)
	if err != nil {
		return asProblems(err), nil
	}
	var refused, warned problems
	lintSize(files, &refused)
	lintDebug(documents, &refused)
	lintRules(documents, set.workloads, now, &refused, &warned)
	lintTrustDomain(documents, set.workloads, o.TrustDomain, &refused, &warned)
	lintOverlaps(documents, set.workloads, newLintLists(set.references, now), &refused, &warned)
	return asProblems(refused.err()), append(set.Warnings(now), asProblems(warned.err())...)
}

func asProblems(err error) Problems {
	found, _ := err.(Problems) //nolint:errorlint // made here, never wrapped
	return found
}

// Warnings are what loaded and may still be a mistake, each with its place: values
// that are allowed and denied, reference values that nothing refers to or that have
// expired by now. A zero time asks for no ends.
func (s *Set) Warnings(now time.Time) Problems {
	if s == nil {
		return nil
	}
	var found problems
	found.list = slices.Clone(s.warnings)
	for _, v := range s.references {
		if !now.IsZero() && !v.inForce(now) && len(v.knownBad) == 0 {
			found.add(v.at.with(evidence.CodePolicyReferenceExpired, "reference values "+v.name+" expired at "+v.notAfter.UTC().Format(time.RFC3339)+"; they match nothing"))
		}
		if !v.used && len(v.knownBad) == 0 {
			found.add(v.at.with(evidence.CodePolicyUnused, "no workload refers to reference values "+v.name))
		}
	}
	slices.SortStableFunc(found.list, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	return asProblems(found.err())
}

// with is the problem's place with another code and text.
func (p problem) with(code evidence.Code, detail string) problem {
	p.code, p.detail = code, detail
	return p
}
