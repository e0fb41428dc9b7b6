package attacks

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

// JUnit writes the report as CI systems read it: a suite for each series.
func (r Report) JUnit(out io.Writer) error {
	all := junitSuites{Name: "attacks on " + r.Target}
	for _, s := range allSeries() {
		t := r.Totals(s.letter)
		if t.Cases == 0 {
			continue
		}
		suite := junitSuite{Name: s.letter + " " + s.title, Tests: t.Cases, Failures: t.Other + t.Accepted, Errors: t.Failed, Skipped: t.Skipped}
		for _, result := range r.Results {
			if result.Row[:1] == s.letter {
				suite.Cases = append(suite.Cases, result.junit())
			}
		}
		all.Suites = append(all.Suites, suite)
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

func (r Result) junit() junitCase {
	c := junitCase{Class: r.Row + " " + r.Title, Name: r.Case, Seconds: fmt.Sprintf("%.3f", r.Took.Truncate(time.Millisecond).Seconds())}
	ended := &junitEnded{r.told()}
	switch r.Verdict {
	case Held:
	case Skipped:
		c.Skipped = ended
	case Failed:
		c.Error = ended
	default:
		c.Failure = ended
	}
	return c
}
