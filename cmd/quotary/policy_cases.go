package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/cases"
)

const policyTestHelp = `usage: quotary policy test --policy PATH… [FLAG]… CASES…

Have a policy decide cases: machines of which the outcome is written down. CASES are YAML
files, or directories of them (docs/policy-testing.md). Evidence that cases name is judged
as of each case's own time; what is not genuine is an error of the case.

flags:
  --policy PATH          policy documents, a file or directory; repeatable
  --junit FILE           write the results as JUnit XML as well, for build servers
` + keysHelp + `  -o text|json|yaml      output format

` + judgingHelp + `
exit codes: 0 all passed, 2 some did not, 1 the cases or the policy cannot be read

examples:
  quotary policy test --policy ./policy cases.yaml
  quotary policy test --policy ./policy --junit results.xml --endorsements ./amd ./cases
`

func policyTest(s streams, args []string) (exit, error) {
	o := &verifyOptions{}
	var paths list
	var keys signingKeys
	var junit string
	fs := flagSet("policy test")
	o.define(fs)
	keys.register(fs)
	fs.Var(&paths, "policy", "")
	fs.StringVar(&junit, "junit", "", "")
	output := outputFlag(fs, "text", "json", "yaml")
	operands, err := parse(fs, args)
	if err != nil {
		return exitFailed, err
	}
	if o.at.given {
		return exitFailed, usage("cases say themselves as of when they are judged", "leave --at out, and give each case its own at")
	}
	if given := o.tpm.given(); given != "" {
		return exitFailed, usage("--"+given+" is of one quote, and cases may name many", "put FILE.sig and FILE.pcrs beside FILE.msg, or have cases name what quotary evidence pack writes")
	}
	if err := o.complete(); err != nil {
		return exitFailed, err
	}
	set, err := keys.load(paths)
	if err != nil {
		return exitFailed, err
	}
	reports, err := o.test(s, set, operands)
	if err != nil {
		return exitFailed, err
	}
	code := exitAccepted
	for i := range reports {
		if !reports[i].Passed() {
			code = exitRejected
		}
	}
	if err := writeJUnit(junit, reports); err != nil {
		return exitFailed, err
	}
	if output.value == "text" {
		return code, cases.Text(s.out, reports...)
	}
	var encoded bytes.Buffer
	if err := cases.JSON(&encoded, reports...); err != nil {
		return exitFailed, err
	}
	return code, writeValue(s, output.value, json.RawMessage(encoded.Bytes()), nil)
}

// test has a policy decide the cases of files.
func (o *verifyOptions) test(s streams, set *policies.Set, files []string) ([]cases.Report, error) {
	if len(files) == 0 {
		return nil, usage("no cases are named", "name YAML files of cases, or directories of them; docs/policy-testing.md has the form")
	}
	suites, err := readSuites(files)
	if err != nil {
		return nil, err
	}
	e, err := o.examining(s)
	if err != nil {
		return nil, err
	}
	defer e.close(s)
	stop := s.waiting("deciding cases")
	defer stop()
	var reports []cases.Report
	for _, suite := range suites {
		reports = append(reports, suite.Run(set, e.sources(s, filepath.Dir(suite.File))))
	}
	return reports, nil
}

func readSuites(paths []string) ([]cases.Suite, error) {
	files, err := readDocuments(paths)
	if err != nil {
		return nil, err
	}
	var suites []cases.Suite
	for _, file := range files {
		suite, err := cases.Parse(file.Name, file.Data)
		if err != nil {
			return nil, withHint(err, "correct the cases, as docs/policy-testing.md has them; nothing was decided")
		}
		suites = append(suites, suite)
	}
	return suites, nil
}

// sources reads what cases name, beside their file.
func (e *examination) sources(s streams, dir string) cases.Sources {
	beside := func(file string) string {
		if filepath.IsAbs(file) {
			return file
		}
		return filepath.Join(dir, file)
	}
	return cases.Sources{
		Claims: func(file string) ([]byte, error) { return readFile(beside(file), evidence.MaxEncoded) },
		Judge: func(file string, at time.Time) ([]evidence.Claims, error) {
			e.options.at.Time = at
			claims, r, err := e.claims(s, beside(file), tpmFlags{})
			if err == nil && claims == nil {
				err = r.notGenuine()
			}
			return claims, err
		},
	}
}

// notGenuine says why evidence is not.
func (r report) notGenuine() error {
	for _, check := range byWeight(r.Checks) {
		if check.Status == evidence.Fail || check.Status == evidence.NotPerformed {
			return evidence.Errorf(check.Code, "", "the evidence is not genuine (%s): %s", r.Verdict, sayCheck(check))
		}
	}
	return fmt.Errorf("the evidence is %s", r.Verdict)
}

// writeJUnit writes results to a file, which each run replaces.
func writeJUnit(file string, reports []cases.Report) error {
	if file == "" {
		return nil
	}
	var out bytes.Buffer
	if err := cases.JUnit(&out, reports...); err != nil {
		return err
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}
