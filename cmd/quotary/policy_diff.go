package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/policies"
)

const policyDiffHelp = `usage: quotary policy diff [FLAG]… OLD NEW

Show what differs between two sets of policy documents by what they say: files, layout,
comments and the order of keys do not count. OLD and NEW are each one of
  PATH                   a file, or a directory of files
  active                 the set that is in force at the service
  NUMBER                 the set of this number in the service's history
A file of such a name is ./active or ./7.

  -u                     show the lines that differ as well, as diff -u does
` + keysHelp + `
` + adminHelp + `
exit codes: 0 done, whether they differ or not; 2 the service refuses; 1 everything else
that went wrong

examples:
  quotary policy diff ./policy.old ./policy
  quotary policy diff -u active ./policy
  quotary policy diff 6 7
`

// activeSource means the set in force.
const activeSource = "active"

func policyDiff(s streams, args []string) (exit, error) {
	var f adminFlags
	var keys signingKeys
	fs := flagSet("policy diff")
	f.register(fs)
	keys.register(fs)
	textual := fs.Bool("u", false, "")
	operands, err := parse(fs, args)
	if err != nil {
		return exitFailed, err
	}
	if len(operands) != 2 {
		return exitFailed, usage(fmt.Sprintf("policy diff takes OLD and NEW, and %s given", isOrAre(len(operands))), "try: quotary policy diff --help")
	}
	o, err := keys.options()
	if err != nil {
		return exitFailed, err
	}
	show := func(ctx context.Context, c *admin.Client) error {
		before, err := source(ctx, c, operands[0])
		if err != nil {
			return err
		}
		after, err := source(ctx, c, operands[1])
		if err != nil {
			return err
		}
		return showDiff(s, o, f.output.value, before, after, *textual)
	}
	if ofService(operands[0]) || ofService(operands[1]) {
		return administer(s, &f, viewer, show)
	}
	if err := show(context.Background(), nil); err != nil {
		return exitFailed, err
	}
	return exitAccepted, nil
}

func isOrAre(n int) string {
	if n == 1 {
		return "1 is"
	}
	return fmt.Sprintf("%d are", n)
}

// ofService reports whether the service has what an operand names.
func ofService(operand string) bool {
	_, err := strconv.ParseUint(operand, 10, 63)
	return operand == activeSource || err == nil
}

// source returns the files that an operand names; c is nil if no operand is the
// service's.
func source(ctx context.Context, c *admin.Client, operand string) ([]policies.File, error) {
	if !ofService(operand) {
		return readDocuments([]string{operand})
	}
	var p *admin.Policy
	var err error
	if operand == activeSource {
		p, err = c.Policy(ctx)
	} else {
		seq, _ := strconv.ParseInt(operand, 10, 64) // it is a number
		p, err = c.PolicyAt(ctx, seq)
	}
	if err != nil {
		return nil, err
	}
	return filesOf(p.Documents), nil
}

// diffReport is diff's answer.
type diffReport struct {
	policies.Changes
	Lines string `json:"lines,omitempty"` // as diff -u has them
}

func showDiff(s streams, o policies.Options, format string, before, after []policies.File, textual bool) error {
	changes, err := o.Diff(before, after)
	if err != nil {
		return withHint(err, "both sets must load: quotary policy lint says what is wrong with one")
	}
	r := diffReport{Changes: changes}
	if textual {
		r.Lines = unified(before, after)
	}
	return writeValue(s, format, r, func() error {
		showChanges(s, changes)
		if r.Lines != "" {
			fmt.Fprintln(s.out)
			showLines(s, r.Lines)
		}
		return nil
	})
}

// unified compares files of the same name, and names those that only one side has.
func unified(before, after []policies.File) string {
	type pair struct{ before, after []byte }
	files := map[string]*pair{}
	var names []string
	of := func(file policies.File) *pair {
		name := filepath.Base(file.Name)
		if files[name] == nil {
			files[name] = &pair{}
			names = append(names, name)
		}
		return files[name]
	}
	if len(before) == 1 && len(after) == 1 { // two versions of one file, whatever their names
		return string(diff.Diff(before[0].Name, before[0].Data, after[0].Name, after[0].Data))
	}
	for _, file := range before {
		of(file).before = file.Data
	}
	for _, file := range after {
		of(file).after = file.Data
	}
	var b strings.Builder
	for _, name := range names {
		b.Write(diff.Diff("old/"+name, files[name].before, "new/"+name, files[name].after))
	}
	return b.String()
}

// showLines writes lines of a diff in their colours.
func showLines(s streams, text string) {
	for line := range strings.Lines(text) {
		style := none
		switch line[0] {
		case '+':
			style = green
		case '-':
			style = red
		case '@':
			style = bold
		}
		fmt.Fprintln(s.out, s.terminal.paint(style, printable(strings.TrimSuffix(line, "\n"))))
	}
}
