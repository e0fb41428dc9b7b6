package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/quotary/quotary/simulators/scenarios"
)

const runHelp = `  quotary-sim run [-o text|json|junit] [--quiet] FILE…
  quotary-sim run [-o text|json|junit] [--quiet] --library [NAME…]
  quotary-sim run --list

run runs scenarios: YAML files that say which simulated machines there are, what
is wrong with them or with their vendors, what happens one after the other, and
what a service must make of it. Each gets a service of its own, in this process.
docs/scenarios.md says what a file can say.
  --library   run scenarios that come along: those named, or all
  --list      list the scenarios that come along
  -o FORMAT   text (default), json or junit
  --quiet     no progress

Examples:
  quotary-sim run scenario.yaml
  quotary-sim run --library
  quotary-sim run --library vcek-revoked relay
  quotary-sim run -o junit --library > scenarios.xml

Exit codes: 0 if everything happened as it must, 1 if something else did, 2 if a
scenario could not be run.
`

// telling is which scenarios to run, and how to tell of them.
type telling struct {
	library, list, quiet bool
	format               string
	names                []string // of files, or of the library's
}

func parseRun(args []string) (o telling, err error) {
	flags := newFlags("run")
	flags.BoolVar(&o.library, "library", false, "")
	flags.BoolVar(&o.list, "list", false, "")
	flags.StringVar(&o.format, "o", "text", "")
	flags.BoolVar(&o.quiet, "quiet", false, "")
	if err := parseAll(flags, args); err != nil {
		return o, err
	}
	o.names = flags.Args()
	_, err = scenarioWriter(o.format)
	return o, err
}

// runScenarios is the command run.
func runScenarios(ctx context.Context, args []string, s streams) error {
	o, err := parseRun(args)
	if err != nil {
		return err
	}
	if o.list {
		return listScenarios(s.out)
	}
	all, err := theScenarios(o.library, o.names)
	if err != nil {
		return err
	}
	var report scenarios.Report
	for _, scenario := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !o.quiet {
			fmt.Fprintf(s.err, "%s: %s\n", scenario.Name, scenario.Title)
		}
		report = append(report, scenarios.Run(ctx, scenario, nil))
	}
	write, err := scenarioWriter(o.format)
	if err != nil {
		return err
	}
	if err := write(report, s.out); err != nil {
		return err
	}
	return concludeScenarios(report)
}

// scenarioWriter returns what writes a report in a format.
func scenarioWriter(format string) (func(scenarios.Report, io.Writer) error, error) {
	switch format {
	case "text":
		return scenarios.Report.Text, nil
	case "json":
		return scenarios.Report.JSON, nil
	case "junit":
		return scenarios.Report.JUnit, nil
	}
	return nil, fmt.Errorf("-o takes text, json or junit, not %q", format)
}

// concludeScenarios is nil where everything happened as it must.
func concludeScenarios(r scenarios.Report) error {
	t := r.Totals()
	switch {
	case t.Other > 0:
		return unexpected{fmt.Errorf("of %d scenarios %d went another way than they must, %d could not be run", t.Scenarios, t.Other, t.Failed)}
	case t.Failed > 0:
		return fmt.Errorf("of %d scenarios %d could not be run", t.Scenarios, t.Failed)
	}
	return nil
}

// theScenarios are those of files, or those of the library with these names, or all of it.
func theScenarios(library bool, names []string) ([]*scenarios.Scenario, error) {
	if !library {
		if len(names) == 0 {
			return nil, errors.New("which scenario? Name files, or --library; quotary-sim run --list shows those that come along")
		}
		return readScenarios(names)
	}
	all, err := scenarios.Library()
	if err != nil || len(names) == 0 {
		return all, err
	}
	var chosen []*scenarios.Scenario
	for _, name := range names {
		at := slices.IndexFunc(all, func(s *scenarios.Scenario) bool { return s.Name == strings.TrimSuffix(name, ".yaml") })
		if at < 0 {
			return nil, fmt.Errorf("no scenario %q comes along; quotary-sim run --list shows them", name)
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

// readScenarios reads files, and those that their machines are made of, which are named
// relative to them.
func readScenarios(names []string) ([]*scenarios.Scenario, error) {
	var all []*scenarios.Scenario
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		s, err := scenarios.Parse(name, data)
		if err == nil {
			s, err = s.Load(beside(name))
		}
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// beside reads files whose names are relative to that of another.
func beside(file string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(file), name)
		}
		return os.ReadFile(name)
	}
}

func listScenarios(out io.Writer) error {
	all, err := scenarios.Library()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\n", s.Name, s.Title)
	}
	return w.Flush()
}
