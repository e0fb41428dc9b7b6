package scenarios

import (
	"encoding/xml"
	"fmt"
	"io"
	"time"
)

// The elements of a JUnit report, as CI systems read them.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Name    string       `xml:"name,attr"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string      `xml:"classname,attr"`
		Name    string      `xml:"name,attr"`
		Seconds string      `xml:"time,attr"`
		Failure *junitEnded `xml:"failure"`
		Error   *junitEnded `xml:"error"`
		Skipped *junitEnded `xml:"skipped"`
	}
	junitEnded struct {
		Message string `xml:"message,attr"`
	}
)

// JUnit writes the report as CI systems read it: a suite for each scenario, whose cases
// are its set-up and its steps.
func (r Report) JUnit(out io.Writer) error {
	all := junitSuites{Name: "scenarios"}
	for _, o := range r {
		all.Suites = append(all.Suites, o.junit())
	}
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(out)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(out, "\n")
	return err
}

func (o Outcome) junit() junitSuite {
	setUp := junitCase{Class: o.Name, Name: "the scenario is set up and taken down", Seconds: seconds(0)}
	if o.Verdict == Failed && (len(o.Steps) == 0 || o.Steps[0].Verdict == NotRun || o.Steps[len(o.Steps)-1].Verdict == Met) {
		setUp.Error = &junitEnded{o.Reason}
	}
	suite := junitSuite{Name: o.Name + ": " + o.Title, Cases: []junitCase{setUp}}
	for i, s := range o.Steps {
		suite.Cases = append(suite.Cases, s.junit(o.Name, i))
	}
	for _, c := range suite.Cases {
		suite.Tests++
		switch {
		case c.Failure != nil:
			suite.Failures++
		case c.Error != nil:
			suite.Errors++
		case c.Skipped != nil:
			suite.Skipped++
		}
	}
	return suite
}

func (r Result) junit(scenario string, i int) junitCase {
	c := junitCase{Class: scenario, Name: fmt.Sprintf("%02d %s: %s", i+1, r.Step, r.Want), Seconds: seconds(r.Took)}
	ended := &junitEnded{r.told()}
	switch r.Verdict {
	case Met:
	case NotRun:
		c.Skipped = &junitEnded{r.Reason}
	case Failed:
		c.Error = ended
	default:
		c.Failure = ended
	}
	return c
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
