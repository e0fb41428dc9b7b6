package cases

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Text writes reports for people: a line for each case, below those that failed what
// was expected (-) and decided (+) and the checks in the way, and a sum.
func Text(w io.Writer, reports ...Report) error {
	var b strings.Builder
	passed, failed, errored := 0, 0, 0
	for i := range reports {
		r := &reports[i]
		for j := range r.Results {
			result := &r.Results[j]
			fmt.Fprintf(&b, "%-6s  %s:%d: %s\n", word[result.Outcome], shown(r.File), result.Line, shown(result.Name))
			b.WriteString(result.details("        "))
		}
		passed, failed, errored = passed+r.Count(Passed), failed+r.Count(Failed), errored+r.Count(Errored)
	}
	fmt.Fprintf(&b, "%d passed, %d failed, %d in error\n", passed, failed, errored)
	_, err := io.WriteString(w, b.String())
	return err
}

var word = map[Outcome]string{Passed: "pass", Failed: "FAIL", Errored: "ERROR"}

// details says what a case's decision differs in, a line each.
func (r *Result) details(indent string) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(indent + shown(fmt.Sprintf(format, args...)) + "\n")
	}
	if r.Error != "" {
		for text := range strings.Lines(r.Error) {
			line("%s", strings.TrimSuffix(text, "\n"))
		}
	}
	for _, d := range r.Differences {
		for _, text := range d.Want {
			if !slices.Contains(d.Got, text) {
				line("- %s: %s", d.Key, text)
			}
		}
		for _, text := range d.Got {
			if !slices.Contains(d.Want, text) {
				line("+ %s: %s", d.Key, text)
			}
		}
		if len(d.Got) == 0 {
			line("+ %s: none", d.Key)
		}
	}
	for _, check := range r.Checks {
		line("  %s", check)
	}
	return b.String()
}

// shown keeps foreign text from writing lines or a terminal's commands.
func shown(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return text
	}
	return strings.Trim(strconv.Quote(text), `"`)
}

// JSON writes reports for programs.
func JSON(w io.Writer, reports ...Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		Passed  bool     `json:"passed"`
		Reports []Report `json:"reports"`
	}{allPassed(reports), append([]Report{}, reports...)})
}

func allPassed(reports []Report) bool {
	for i := range reports {
		if !reports[i].Passed() {
			return false
		}
	}
	return len(reports) > 0
}
