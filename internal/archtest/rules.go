package archtest

// Rule is one thing that must hold for the whole repository.
type Rule struct {
	Name  string
	Check func(Tree) []Violation
}

// Rules lists all rules.
func Rules() []Rule {
	return []Rule{
		{"arrows", arrows},
		{"fences", fenced},
		{"offline", offline},
		{"no-simulators", unsimulated},
		{"no-testing-in-programs", untested},
		{"no-testing-in-code", untestingLibraries},
		{"pure", unclocked},
		{"no-init", uninitialised},
		{"no-global-flags", unflagged},
		{"package-comment", documented},
		{"limits", reasoned},
		{"size", sized},
		{"secrets", comparedEarly},
	}
}
