package main

import (
	"fmt"
	"time"

	"github.com/quotary/quotary/client/admin"
)

const policyLintHelp = `usage: quotary policy lint [FLAG]… FILE|DIRECTORY…

Look at policy documents, all of which are one set: for what keeps them from loading
(unknown keys, values of the wrong type or length, references to nothing), for what no
policy should be put in force with (a set that is larger than a service takes, too), and
for what may be a mistake.

flags:
  --warnings-as-errors   warnings count as problems
  --trust-domain NAME    the service's that it is for: workloads of others are never accepted
                         there, and a set of no other workload is refused
  --at TIME              when it is to be in force (RFC 3339), instead of now: whether
                         reference values have ended by then
` + keysHelp + `  -o text|json|yaml      output format

exit codes: 0 no problems, 2 there are some, 1 the documents cannot be read

examples:
  quotary policy lint ./policy
  quotary policy lint --warnings-as-errors ./policy ./references
`

// lintReport is lint's answer.
type lintReport struct {
	Files    int          `json:"files"`
	Problems []admin.Note `json:"problems"`
	Warnings []admin.Note `json:"warnings"`
}

func policyLint(s streams, args []string) (exit, error) {
	var at instant
	var keys signingKeys
	fs := flagSet("policy lint")
	keys.register(fs)
	strict := fs.Bool("warnings-as-errors", false, "")
	domain := fs.String("trust-domain", "", "")
	fs.Var(&at, "at", "")
	output := outputFlag(fs, "text", "json", "yaml")
	operands, err := parse(fs, args)
	if err != nil {
		return exitFailed, err
	}
	if !at.given {
		at.Time = time.Now()
	}
	files, err := readDocuments(operands)
	if err != nil {
		return exitFailed, err
	}
	o, err := keys.options()
	if err != nil {
		return exitFailed, err
	}
	o.TrustDomain = *domain
	found, warnings := o.Lint(at.Time, files...)
	r := lintReport{len(files), notesOf(found), notesOf(warnings)}
	code := exitAccepted
	if len(found) > 0 || *strict && len(warnings) > 0 {
		code = exitRejected
	}
	return code, writeValue(s, output.value, r, func() error {
		showNotes(s, cell{"problem", red}, r.Problems)
		showNotes(s, cell{"warning", yellow}, r.Warnings)
		fmt.Fprintf(s.out, "%s, %s, %s\n", count(r.Files, "file"), count(len(found), "problem"), count(len(warnings), "warning"))
		return nil
	})
}

// count says how many there are of something.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
