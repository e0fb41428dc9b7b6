package policies

import (
	_ "embed" // the built-in advisories
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed amd_advisories.yaml
var amdAdvisories []byte

// builtinAdvisories are those of this build. They are computed once and only read.
var builtinAdvisories = func() *advisoryTable {
	var found problems
	l := newLoader(&found)
	for _, d := range parseFiles([]File{{"amd_advisories.yaml", amdAdvisories}}, nil, &found) {
		l.readAdvisories(d)
	}
	if err := found.err(); err != nil {
		panic("policies: " + err.Error()) // a test loads them
	}
	l.spellAdvisories()
	return l.advisories
}()

// newLoader returns a loader that knows no advisories yet.
func newLoader(found *problems) *loader {
	return &loader{
		problems: found, references: map[string]*referenceValues{}, workloads: map[string]*workload{},
		knownBad: map[string][]reference{}, advisories: &advisoryTable{},
	}
}

// withBuiltin adds the advisories of this build to those of the documents,
// which take the place of built-in ones of the same ID.
func (l *loader) withBuiltin() {
	t := l.advisories
	for _, row := range builtinAdvisories.rows {
		if t.has(row.id) {
			t.replaced = append(t.replaced, row.id)
		} else {
			t.rows = append(t.rows, row)
		}
	}
	if t.asOf.Before(builtinAdvisories.asOf) {
		t.asOf = builtinAdvisories.asOf
	}
	l.spellAdvisories()
}

// spellAdvisories sorts the advisories by product line, in the order of their IDs.
func (l *loader) spellAdvisories() {
	t := l.advisories
	slices.SortFunc(t.rows, func(a, b *advisory) int { return strings.Compare(a.id, b.id) })
	t.lines = map[string][]advisoryDemands{}
	for _, row := range t.rows {
		for product, demands := range row.demands {
			t.lines[product] = append(t.lines[product], advisoryDemands{row, demands})
		}
	}
	t.want = "none of " + strconv.Itoa(len(t.rows)) + " advisories as of " + t.asOf.Format(time.DateOnly)
}
